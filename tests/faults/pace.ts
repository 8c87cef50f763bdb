import type { Clock } from '../../src/core/clock.ts';

/** How many seconds of the product and of the simulator pass in one second. */
export const PACE = Number(process.env.FAULTS_PACE ?? 20);

const began = performance.now();
const epoch = Date.now();

/** The clock that the product and the simulator share: waits of minutes take seconds. */
export const fastClock: Clock = {
  now: () => epoch + (performance.now() - began) * PACE,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        },
        Math.min(ms / PACE, 2 ** 31 - 1),
      );
      signal?.addEventListener('abort', stop, { once: true });
    }),
};

export const sleep = (seconds: number) => fastClock.sleep(seconds * 1000);
