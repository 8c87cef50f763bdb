import { afterEach, beforeEach, expect, it } from 'vitest';
import { backupsAnswers, clusterAnswers } from '../../src/console/cluster.ts';
import { openRunView } from '../../src/console/outcome.ts';
import type { NamedCluster } from '../../src/core/settings/settings.ts';
import { approvalView } from '../../src/render/approval-view.ts';
import { renderResult } from '../../src/render/result.ts';
import { openTwo, type Two } from '../helpers/two-clusters.ts';
import { agent, hurriedClock, operator } from '../helpers/world.ts';

let two: Two;
beforeEach(async () => {
  two = await openTwo();
});
afterEach(() => two.close());

const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } } as const;
const clusters = [
  { name: 'home', limits },
  { name: 'work', limits: { ...limits, maxCpu: 4 } },
] as unknown as NamedCluster[];

it('the page shows each cluster under its name with its own limits, and why one does not answer', async () => {
  const both = await clusterAnswers(two.engine, operator(), { limits, clusters });
  const cpu = both.map(({ name, view }) => [name, view?.perGuest.find(({ variable }) => variable === 'PROXMOX_MAX_CPU')?.limit]);
  expect(cpu).toEqual([
    ['home', 16],
    ['work', 4],
  ]);
  await two.work.simulator.close();
  const [home, work] = await clusterAnswers(two.another(), operator(), { limits, clusters });
  expect(home).toMatchObject({ name: 'home', view: { shown: both[0]?.view?.shown } });
  expect(work).toMatchObject({ name: 'work', problem: { code: 'unreachable' } });
});

it('a cluster that hangs delays neither the guests nor the backups of the other for long', async () => {
  two.work.simulator.faults.add({ action: 'hold-before' });
  const engine = two.another();
  const [guests, backups] = await Promise.all([
    clusterAnswers(engine, operator(), { limits, clusters }),
    backupsAnswers(engine, operator()),
  ]);
  const message = 'No answer within 10 s.';
  expect(guests).toMatchObject([
    { name: 'home', view: {} },
    { name: 'work', problem: { code: 'unreachable', message } },
  ]);
  expect(backups).toMatchObject([{ cluster: 'home' }, { cluster: 'work', guests: [], notice: message }]);
  expect(backups[0]?.guests.length).toBeGreaterThan(0);
}, 60_000);

it('the limits of the only cluster of a file are those of that cluster', async () => {
  const alone = two.another({ at: { work: two.work } });
  const [one] = await clusterAnswers(alone, operator(), { limits, clusters: clusters.slice(1) });
  expect(one?.view?.perGuest.find(({ variable }) => variable === 'PROXMOX_MAX_CPU')?.limit).toBe(4);
});

it('whatever a human reads of an approval or an open run begins with the name of its cluster', async () => {
  const result = await two.call('stop_vm', { cluster: 'work', vmid: 100 });
  if (result.kind !== 'approval_required') throw new Error('not asked');
  expect(approvalView(result.approval).summary).toMatch(/^work: Shut down /);
  expect(renderResult(result).structured.summary).toMatch(/^work: Shut down /);
  const plain = { ...result.approval, cluster: '127.0.0.1:8006' };
  expect(approvalView(plain).summary).toMatch(/^Shut down /);
  two.work.simulator.faults.add({ match: { method: 'POST', path: '/status/start$' }, action: 'late', times: 1 });
  const engine = two.another({ clock: hurriedClock() });
  await expect(engine.perform('start_vm', { cluster: 'work', vmid: 104 }, agent, { wait: 'end' })).rejects.toMatchObject({
    code: 'outcome_unknown',
  });
  const [run, ...more] = await engine.openRuns.list();
  if (!run) throw new Error('no run is open');
  expect([openRunView(run).summary, more]).toEqual([expect.stringMatching(/^work: Start /), []]);
  expect(await engine.openRuns.list('home')).toEqual([]);
  expect(await engine.openRuns.close(run.id, 'not-done', operator())).toMatchObject({ status: 'failed' });
});
