import type { Clock } from '../../../core/clock.ts';
import { asError } from '../../../core/errors/errors.ts';

/** How often a refusal or a malformed answer is asked about, over eight seconds: services that restart give a few of them. */
const ATTEMPTS = 5;
/** How long an outage is waited out (s). */
export const OUTAGE_SECONDS = 15 * 60;

/** Proxmox, or the node that was asked, gave no answer. */
export const isAway = (thrown: unknown): boolean => asError(thrown).code === 'unreachable';

/**
 * Reads on behalf of a run that has begun: one answer that tells nothing does not end it half-made.
 * @throws what was thrown last: the fifth refusal, or that Proxmox is away, after a quarter of an hour
 */
export async function patiently<T>(read: () => Promise<T>, clock: Clock): Promise<T> {
  const began = clock.now();
  let refusals = 0;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      return await read();
    } catch (thrown) {
      if (isAway(thrown) ? clock.now() - began >= OUTAGE_SECONDS * 1000 : ++refusals >= ATTEMPTS) throw thrown;
    }
    await clock.sleep(pauseMs);
  }
}
