import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { InFlight } from '../../../src/engine/runs/steps/in-flight.ts';
import { isGone, keepAlive, leaseFrom, thisWorker } from '../../../src/engine/runs/worker.ts';
import type { Store } from '../../../src/store/index.ts';

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
  inFlight.reservations.add('rsv_1');
  inFlight.owesRelease('rsv_left');
  const stop = keepAlive({ runs: { renew } } as unknown as Store, 'w', systemClock, inFlight);
  vi.advanceTimersByTime(5_000);
  stop();
  end();
  expect(renew).toHaveBeenCalledWith('w', { runs: ['run_1'], reservations: ['rsv_1'] }, expect.any(String));
});

it('a process that may not be signalled is there: another user runs it', () => {
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
  });
  expect(isGone(thisWorker(), LATER, NOW)).toBe(false);
  kill.mockRestore();
});

it('a process whose start the system does not tell is there', () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  expect(isGone(JSON.stringify({ ...JSON.parse(thisWorker()), pid: 2 ** 22 + 1, start: '1' }), LATER, NOW)).toBe(false);
  kill.mockRestore();
});

it('a process whose start is not known on either side is only gone with its lease', () => {
  expect(isGone(JSON.stringify({ ...JSON.parse(thisWorker()), start: '' }), LATER, NOW)).toBe(false);
});

it.runIf(process.platform === 'linux')('the start of a process is field 22 of its stat, also behind a name with spaces', () => {
  const { start, pid, host } = JSON.parse(thisWorker());
  expect(start).toMatch(/^\d{2,}$/);
  expect({ pid, host }).toEqual({ pid: process.pid, host: hostname() });
  const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8');
  expect(start).toBe(/^\d+ \(.*\) (?:\S+ ){19}(\d+)/.exec(stat)?.[1]);
});

it('a lease lasts 30 seconds', () => {
  expect(leaseFrom({ ...systemClock, now: () => Date.parse(NOW) })).toBe('2026-01-01T00:00:30.000Z');
});

it('leases are renewed every five seconds, also of runs that are being stored and after a renewal failed, until stopped', async () => {
  vi.useFakeTimers();
  const renew = vi.fn(async () => {
    throw new Error('the store is away');
  });
  const inFlight = new InFlight();
  inFlight.starting.add('run_2');
  const stop = keepAlive({ runs: { renew } } as unknown as Store, 'w', { ...systemClock, now: () => Date.parse(NOW) }, inFlight);
  await vi.advanceTimersByTimeAsync(4_999);
  expect(renew).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(10_001);
  expect(renew).toHaveBeenCalledTimes(3);
  expect(renew).toHaveBeenLastCalledWith('w', { runs: ['run_2'], reservations: [] }, '2026-01-01T00:00:30.000Z');
  stop();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(renew).toHaveBeenCalledTimes(3);
});
