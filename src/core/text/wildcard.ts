/** Whether a text matches a pattern in which `*` stands for anything; case does not matter. User input as a regular expression could take exponential time. */
export function matches(text: string, pattern: string): boolean {
  const [t, p] = [text.toLowerCase(), pattern.toLowerCase()];
  let [i, j, star, mark] = [0, 0, -1, 0];
  while (i < t.length) {
    if (p[j] === '*') {
      star = j++;
      mark = i;
    } else if (p[j] === t[i]) {
      i++;
      j++;
    } else if (star >= 0) {
      j = star + 1;
      i = ++mark;
    } else {
      return false;
    }
  }
  while (p[j] === '*') j++;
  return j === p.length;
}
