import type { Clock } from '../core/clock.ts';
import { fail } from '../core/errors/errors.ts';
import { createTokenBuckets } from '../core/token-bucket.ts';

/** Reads that one principal may do at once, and how many per second come back. */
const BURST = 2000;
const PER_SECOND = 200;

/** Counts reads per principal and throws `rate_limited` for a flood: every read leaves a line in the audit, and disks are finite. */
export function createReadLimit(clock: Clock): (principal: string) => void {
  const take = createTokenBuckets({ size: BURST, perSecond: PER_SECOND }, clock);
  return (principal) => {
    if (take(principal) === 0) return;
    fail('rate_limited', `More than ${BURST} reads within a short time. The limit is ${PER_SECOND} per second.`, {
      hint: 'Wait a second and call again.',
      details: { retryAfterSeconds: 1 },
    });
  };
}
