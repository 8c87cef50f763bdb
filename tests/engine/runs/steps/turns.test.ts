import { expect, it } from 'vitest';
import { Turns } from '../../../../src/engine/runs/steps/turns.ts';
import { requestStep } from '../../../helpers/parts.ts';

/** The most that were at work at once of steps that begin in this order. */
async function most(paths: { path: string; atMost?: Record<string, number> }[]): Promise<number> {
  const turns = new Turns();
  let now = 0;
  let peak = 0;
  const work = async () => {
    peak = Math.max(peak, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    now--;
  };
  await Promise.all(paths.map((over, index) => turns.within(requestStep(`s${index}`, over), work)));
  expect(now).toBe(0);
  return peak;
}
const on = (node: string, times: number, atMost?: Record<string, number>) =>
  Array.from({ length: times }, () => ({ path: `/nodes/${node}/qemu/105/status/stop`, ...(atMost ? { atMost } : {}) }));

it('four requests are in flight on a node at once, and each node has its own four', async () => {
  expect(await most(on('pve', 9))).toBe(4);
  expect(await most([...on('pve', 9), ...on('pve2', 9)])).toBe(8);
  expect(await most(on('pve', 3))).toBe(3);
});

it('requests wait for what they share, and overtake nothing that they do not', async () => {
  expect(await most(on('pve', 6, { 'disks on tank': 2 }))).toBe(2);
  expect(await most([...on('pve', 6, { 'disks on tank': 1 }), ...on('pve', 2)])).toBe(3);
});

it('a place is free again when the work of a request fails', async () => {
  const turns = new Turns();
  const step = requestStep('one', { atMost: { one: 1 } });
  await expect(turns.within(step, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(await turns.within(step, async () => 'next')).toBe('next');
});
