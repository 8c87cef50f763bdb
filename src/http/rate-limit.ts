import type { Clock } from '../core/clock.ts';

/** Counts requests per principal. @returns seconds until the next one is let through; 0: this one is */
export type RateLimit = (principal: string) => number;

/** Idle buckets are dropped after this (ms). */
const FORGET_MS = 10 * 60_000;

/** @param perMinute how many come back every minute; as many may come at once */
export function createRateLimit(perMinute: number, clock: Clock): RateLimit {
  const buckets = new Map<string, { left: number; at: number }>();
  let swept = clock.now();
  return (principal) => {
    const now = clock.now();
    if (now - swept > FORGET_MS) {
      swept = now;
      for (const [key, { at }] of buckets) if (now - at > FORGET_MS) buckets.delete(key);
    }
    const bucket = buckets.get(principal) ?? { left: perMinute, at: now };
    bucket.left = Math.min(perMinute, bucket.left + (Math.max(0, now - bucket.at) / 60_000) * perMinute);
    bucket.at = now;
    buckets.set(principal, bucket);
    if (bucket.left < 1) return Math.ceil(((1 - bucket.left) * 60) / perMinute);
    bucket.left -= 1;
    return 0;
  };
}
