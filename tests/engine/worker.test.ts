import { hostname } from 'node:os';
import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { InFlight } from '../../src/engine/in-flight.ts';
import { isGone, keepAlive, thisWorker } from '../../src/engine/worker.ts';
import type { Store } from '../../src/store/index.ts';

afterEach(() => vi.useRealTimers());

const NOW = '2026-01-01T00:00:00.000Z';
const LATER = '2026-01-01T00:00:20.000Z';

it('a worker of this process is there until its lease runs out', () => {
  expect(isGone(thisWorker(), LATER, NOW)).toBe(false);
  expect(isGone(thisWorker(), NOW, NOW)).toBe(true);
});

it('a process of this host that no longer exists is gone before its lease runs out', () => {
  const dead = { ...JSON.parse(thisWorker()), pid: 2 ** 22 + 1 };
  expect(isGone(JSON.stringify(dead), LATER, NOW)).toBe(true);
  expect(isGone(JSON.stringify({ ...dead, host: `not-${hostname()}` }), LATER, NOW)).toBe(false);
});

it.runIf(process.platform === 'linux')('another process that got the pid of a dead one is not that one', () => {
  const reused = { ...JSON.parse(thisWorker()), start: '1' };
  expect(isGone(JSON.stringify(reused), LATER, NOW)).toBe(true);
});

it('leases are renewed for what is in flight and for nothing else', () => {
  vi.useFakeTimers();
  const renew = vi.fn(async () => {});
  const inFlight = new InFlight();
  let end = () => {};
  inFlight.track('run_1', new Promise((resolve) => (end = () => resolve({} as never))));
  inFlight.know('run_left');
  inFlight.claims.add('rsv_1');
  inFlight.owesRelease('rsv_left');
  const stop = keepAlive({ runs: { renew } } as unknown as Store, 'w', systemClock, inFlight);
  vi.advanceTimersByTime(5_000);
  stop();
  end();
  expect(renew).toHaveBeenCalledWith('w', { runs: ['run_1'], reservations: ['rsv_1'] }, expect.any(String));
});
