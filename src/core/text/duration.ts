export const DAY_MS = 86_400_000;
const UNIT_SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `30s`, `15m`, `24h` or `7d` in seconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS];
}

/** Epoch seconds as ISO time. */
export function isoOf(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString();
}

/** Days since then, with one decimal. @param now epoch seconds */
export function ageDays(epochSeconds: number, now: number): number {
  return Math.floor((now - epochSeconds) / (DAY_MS / 10_000)) / 10;
}

/** For humans, in the two largest units: 93784 seconds is `1 d 2 h`. A negative time, as between two clocks, is `0 s`. */
export function duration(length: number): string {
  const seconds = Math.max(0, length);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor((seconds % 86_400) / 3_600), 'h'],
    [Math.floor((seconds % 3_600) / 60), 'min'],
    [Math.floor(seconds % 60), 's'],
  ].filter(([n]) => n !== 0);
  return (
    parts
      .slice(0, 2)
      .map(([n, unit]) => `${n} ${unit}`)
      .join(' ') || '0 s'
  );
}
