import type { Clock } from '../../src/core/clock.ts';

/** How many seconds of the product and of the simulator pass in one second of an idle machine. */
export const PACE = Number(process.env.FAULTS_PACE ?? 20);

const TICK_MS = 5;
/** A busy machine that lets this process wait does not let the product's time run out: of a longer gap only so much counts. */
const LONGEST_TICK_MS = 6;

let now = Date.now();
let last = performance.now();
const sleepers = new Set<{ until: number; wake: () => void }>();

setInterval(() => {
  const real = performance.now();
  now += Math.min(real - last, LONGEST_TICK_MS) * PACE;
  last = real;
  for (const sleeper of [...sleepers].filter(({ until }) => until <= now).sort((a, b) => a.until - b.until)) {
    sleepers.delete(sleeper);
    sleeper.wake();
  }
}, TICK_MS).unref();

/** The clock that the product, the simulator and the faults share: waits of minutes take seconds. */
export const fastClock: Clock = {
  now: () => now,
  elapsed: () => now,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper = {
        until: now + ms,
        wake: () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        },
      };
      sleepers.add(sleeper);
      signal?.addEventListener('abort', stop, { once: true });
    }),
};

export const sleep = (seconds: number) => fastClock.sleep(seconds * 1000);
