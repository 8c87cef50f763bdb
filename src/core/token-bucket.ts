import type { Clock } from './clock.ts';

/** Takes one token of a key. @returns 0 when it was taken, else the seconds until the next one */
export type TokenBuckets = (key: string) => number;

/**
 * One bucket per key, full at first. A bucket that had time to fill up is forgotten, which changes nothing but memory.
 * @param size tokens of a full bucket
 * @param perSecond tokens that come back
 */
export function createTokenBuckets({ size, perSecond }: { size: number; perSecond: number }, clock: Clock): TokenBuckets {
  const buckets = new Map<string, { left: number; at: number }>();
  const fullMs = (size / perSecond) * 1000;
  let swept = clock.now();
  return (key) => {
    const now = clock.now();
    if (now - swept > fullMs) {
      swept = now;
      for (const [one, { at }] of buckets) if (now - at > fullMs) buckets.delete(one);
    }
    const bucket = buckets.get(key) ?? { left: size, at: now };
    // A clock that is set back gives nothing.
    bucket.left = Math.min(size, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    buckets.set(key, bucket);
    if (bucket.left < 1) return (1 - bucket.left) / perSecond;
    bucket.left -= 1;
    return 0;
  };
}
