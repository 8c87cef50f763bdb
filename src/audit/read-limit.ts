import type { Clock } from '../core/clock.ts';
import { fail } from '../core/errors.ts';

/** Reads that one principal may do at once, and how many per second come back. */
const BURST = 2000;
const PER_SECOND = 200;

/** Counts reads per principal and throws `rate_limited` for a flood: every read leaves a line in the audit, and disks are finite. */
export function createReadLimit(clock: Clock): (principal: string) => void {
  const buckets = new Map<string, { left: number; at: number }>();
  return (principal) => {
    const now = clock.now();
    const bucket = buckets.get(principal) ?? { left: BURST, at: now };
    bucket.left = Math.min(BURST, bucket.left + (Math.max(0, now - bucket.at) / 1000) * PER_SECOND);
    bucket.at = now;
    buckets.set(principal, bucket);
    if (bucket.left < 1) {
      fail('rate_limited', `More than ${BURST} reads within a short time. The limit is ${PER_SECOND} per second.`, {
        hint: 'Wait a second and call again.',
        details: { retryAfterSeconds: 1 },
      });
    }
    bucket.left -= 1;
  };
}
