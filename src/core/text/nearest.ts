/** The words that are most similar to this one, the most similar first; a word that is not similar is left out. Case does not matter. */
export function nearest(word: string, candidates: readonly string[], max = 3): string[] {
  const lower = word.toLowerCase();
  // One slip in a short word, two in a longer one: more would call almost anything alike.
  const slips = lower.length <= 4 ? 1 : 2;
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, distance: distanceOf(lower, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= slips || (lower.length >= 3 && candidate.toLowerCase().includes(lower)))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, max)
    .map(({ candidate }) => candidate);
}

/** Insertions, deletions, replacements and swaps of neighbours between two words of at most 100 characters. */
function distanceOf(a: string, b: string): number {
  const [s, t] = [a.slice(0, 100), b.slice(0, 100)];
  const rows: number[][] = [Array.from({ length: t.length + 1 }, (_, j) => j)];
  const cell = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= s.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= t.length; j++) {
      const replaced = cell(i - 1, j - 1) + (s[i - 1] === t[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1] ? cell(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, swapped, cell(i - 1, j) + 1, cell(i, j - 1) + 1));
    }
  }
  return cell(s.length, t.length);
}
