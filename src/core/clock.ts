import { setTimeout as sleep } from 'node:timers/promises';

/** Time, injected, so that tests do not wait. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Milliseconds since some moment, for durations: setting the machine's clock does not change it. */
  elapsed(): number;
  /** Rejects with the reason of the signal. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    sleep(ms, undefined, { signal }).catch(() => {
      throw signal?.reason;
    }),
};

/** The result of the work, or undefined after a time-out (ms); the work continues then. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const stop = new AbortController();
  const late = systemClock.sleep(ms, stop.signal).then(
    () => undefined,
    () => undefined,
  );
  return Promise.race([work, late]).finally(() => stop.abort());
}
