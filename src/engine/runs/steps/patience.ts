import type { Clock } from '../../../core/clock.ts';
import { asError } from '../../../core/errors/errors.ts';

/** Attempts at a read that Proxmox refuses or answers malformed, over eight seconds: a service that restarts gives a few such answers. */
const ATTEMPTS = 5;
/** The longest outage (s) that a run waits for. */
export const OUTAGE_SECONDS = 15 * 60;

/** Whether Proxmox, or the node of the request, gave no answer. */
export const isAway = (thrown: unknown): boolean => asError(thrown).code === 'unreachable';

/**
 * Reads for a run that has begun: a single bad answer must not leave a guest half-made.
 * @throws the last error: the fifth refusal, or `unreachable` after a quarter of an hour
 */
export async function patiently<T>(read: () => Promise<T>, clock: Clock): Promise<T> {
  const began = clock.elapsed();
  let refusals = 0;
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      return await read();
    } catch (thrown) {
      if (isAway(thrown) ? clock.elapsed() - began >= OUTAGE_SECONDS * 1000 : ++refusals >= ATTEMPTS) throw thrown;
    }
    await clock.sleep(pauseMs);
  }
}
