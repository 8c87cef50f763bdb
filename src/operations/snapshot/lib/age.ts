const UNITS = [
  { name: 'day', seconds: 86_400 },
  { name: 'h', seconds: 3_600 },
  { name: 'min', seconds: 60 },
] as const;

/** Seconds as the two largest units: `2 h 10 min`, `12 days 3 h`, `less than 1 min`. */
export function ageText(seconds: number): string {
  const first = UNITS.findIndex((unit) => seconds >= unit.seconds);
  const parts = first === -1 ? [] : UNITS.slice(first, first + 2);
  let rest = Math.max(0, Math.floor(seconds));
  const words = parts.flatMap(({ name, seconds: size }) => {
    const count = Math.floor(rest / size);
    rest %= size;
    return count === 0 ? [] : [`${count} ${name === 'day' && count > 1 ? 'days' : name}`];
  });
  return words.length === 0 ? 'less than 1 min' : words.join(' ');
}

/** Epoch seconds as ISO time. */
export function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
