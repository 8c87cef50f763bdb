import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import { ProxmoxMcpError } from '../../../../src/core/errors/errors.ts';
import type { JsonObject } from '../../../../src/core/text/json.ts';
import { openStore } from '../../../../src/store/index.ts';
import { agent, hurriedClock, openWorld, operator, type World } from '../../../helpers/world.ts';
import { until } from '../../../simulator/client.ts';

/** Several guests are one plan and one run, whose steps for each guest run beside those of the others. */
let world: World;
async function open(names: string[]): Promise<number[]> {
  world = await openWorld();
  const vmids: number[] = [];
  for (const name of names) vmids.push((await world.done('create_vm', { name, disk_gb: 1, start_on_create: true })).vmid as number);
  return vmids;
}
afterEach(async () => {
  await world.close();
});

const faults = () => world.cluster.simulator.faults;
const stops = () => world.cluster.mutations().filter(({ path }) => path.endsWith('/status/stop'));
const ended = () => world.audit().filter((line) => line.kind === 'outcome' || line.kind === 'reconciled');
const later = { clock: { ...systemClock, now: () => Date.now() + 60_000 } };
const runOf = async (id: unknown) => {
  const store = await openStore({ dataDir: world.dataDir });
  try {
    return await store.runs.get(String(id));
  } finally {
    await store.close();
  }
};

describe('several guests', () => {
  it('are changed side by side: each request leaves before the others are answered', async () => {
    const vmids = await open(['one', 'two', 'three']);
    const id = await world.asks('stop_vm', { vmids, force: true });
    faults().add({ match: { method: 'POST', path: '/status/stop$' }, action: 'hold' });
    const stopping = world.done('approve', { approval_id: id });
    await faults().untilHeld(3);
    // The intent of each is on disk before its request left.
    const store = await openStore({ dataDir: world.dataDir });
    const [executing] = await store.runs.executing('simulator');
    await store.close();
    expect(executing?.run.steps).toMatchObject(vmids.map((vmid) => ({ id: `stop-${vmid}`, state: 'intent' })));
    faults().clear();
    expect(await stopping).toMatchObject({ result: { guests: vmids.map((vmid) => ({ vmid, status: 'stopped' })) } });
  });

  it('have each their own outcome: the failure of one hides nothing of the others', async () => {
    const vmids = await open(['one', 'two', 'three']);
    const [one, two, three] = vmids;
    const id = await world.asks('stop_vm', { vmids, force: true });
    faults().add({ match: { method: 'POST', path: `/${one}/status/stop$` }, action: 'status', status: 500, reason: 'no space left' });
    faults().add({ match: { method: 'POST', path: `/${three}/status/stop$` }, action: 'fail-task', exitstatus: 'qmp timed out' });
    const error = await world.refused(world.call('approve', { approval_id: id }));
    expect(error.message).toContain('2 of 3 guests did not finish. one');
    expect(error.message).toContain(`Done: two (${two}).`);
    expect(error.details?.guests).toMatchObject([
      { vmid: one, name: 'one', status: 'failed', code: 'storage_unavailable', message: expect.stringContaining('no space left') },
      { vmid: two, name: 'two', status: 'done' },
      { vmid: three, name: 'three', status: 'failed', code: 'task_failed', details: { exit: 'qmp timed out' } },
    ]);
    expect(stops()).toHaveLength(3);
    expect((await world.other().get(`/nodes/pve/qemu/${two}/status/current`)).data.status).toBe('stopped');
    expect(ended().at(-1)).toMatchObject({ status: 'failed', error: { message: expect.stringContaining('no space left') } });
  });

  it('of which several requests were in flight when the process ended are all reconciled, and none is sent again', async () => {
    const vmids = await open(['one', 'two', 'three']);
    const id = await world.asks('stop_vm', { vmids, force: true });
    // Proxmox executes two of them, and its answers do not arrive; the third is not executed before the process is gone.
    faults().add({ match: { method: 'POST', path: `/(${vmids[0]}|${vmids[1]})/status/stop$` }, action: 'hold' });
    faults().add({ match: { method: 'POST', path: `/${vmids[2]}/status/stop$` }, action: 'fail-task', exitstatus: 'qmp timed out' });
    const left = world.call('approve', { approval_id: id }).catch(() => undefined);
    await faults().untilHeld(2);
    const runId = (await latest()).run_id;
    await until(async () => (await runOf(runId))?.steps.some(({ state }) => state === 'failed') ?? false);
    await world.another({}, later).perform('list_approvals', {}, agent);
    await until(async () => (await runOf(runId))?.status === 'failed');
    expect(stops()).toHaveLength(3);
    expect((await runOf(runId))?.steps).toMatchObject([
      { id: `stop-${vmids[0]}`, state: 'done', upid: expect.stringContaining('qmstop') },
      { id: `stop-${vmids[1]}`, state: 'done', upid: expect.stringContaining('qmstop') },
      { id: `stop-${vmids[2]}`, state: 'failed', exit: 'qmp timed out' },
    ]);
    expect((await runOf(runId))?.error?.details?.guests).toMatchObject([{ status: 'done' }, { status: 'done' }, { status: 'failed' }]);
    faults().clear();
    await left;
  });

  it('of which several outcomes are unknown end once all of them show, with the outcome of each', async () => {
    const vmids = await open(['one', 'two', 'three']);
    const engine = world.another({}, { clock: hurriedClock() });
    const asked = await engine.perform('stop_vm', { vmids, force: true }, agent, { wait: 'end' });
    faults().add({ match: { method: 'POST', path: `/(${vmids[0]}|${vmids[1]})/status/stop$` }, action: 'late' });
    const approve = { approval_id: asked.kind === 'approval_required' ? asked.approval.id : '' };
    const error = await world.refused(engine.perform('approve', approve, agent, { wait: 'end' }));
    expect(error).toMatchObject({
      code: 'outcome_unknown',
      details: { guests: [{ status: 'unknown' }, { status: 'unknown' }, { name: 'three', status: 'done' }] },
    });
    const runId = error.details?.run_id;
    expect(await runOf(runId)).toMatchObject({ status: 'unknown' });
    faults().clear();
    await until(async () => (await runOf(runId))?.status === 'succeeded');
    expect(stops()).toHaveLength(3);
  });

  it('of which one outcome shows earlier than another keep what was seen, and the word of the operator is about the rest', async () => {
    const [one, two] = await open(['one', 'two']);
    const engine = world.another({}, { clock: hurriedClock() });
    const asked = await engine.perform('stop_vm', { vmids: [one, two], force: true }, agent, { wait: 'end' });
    faults().add({ match: { method: 'POST', path: `/${one}/status/stop$` }, action: 'late' });
    faults().add({ match: { method: 'POST', path: `/${two}/status/stop$` }, action: 'reset' });
    const approve = { approval_id: asked.kind === 'approval_required' ? asked.approval.id : '' };
    const runId = String((await world.refused(engine.perform('approve', approve, agent, { wait: 'end' }))).details?.run_id);
    faults().clear();
    await until(async () => (await runOf(runId))?.steps[0]?.state === 'done');
    expect(await runOf(runId)).toMatchObject({
      status: 'unknown',
      steps: [{ upid: expect.stringContaining('qmstop') }, { state: 'unknown' }],
      error: { code: 'outcome_unknown', details: { guests: [{ status: 'done' }, { status: 'unknown' }] } },
    });
    expect(ended().at(-1)).toMatchObject({ kind: 'reconciled', status: 'unknown', message: expect.stringContaining('took effect late') });
    await engine.openRuns.close(runId, 'not-done', operator());
    expect(await runOf(runId)).toMatchObject({
      status: 'failed',
      error: {
        details: {
          guests: [
            { vmid: one, status: 'done' },
            { vmid: two, status: 'failed' },
          ],
        },
      },
    });
  });

  it('that a call makes: the name of one that is there is not called open because of another one', async () => {
    await open([]);
    const engine = world.another({}, { clock: hurriedClock() });
    const create = (args: object) => engine.perform('create_vm', { disk_gb: 1, ...args }, agent, { wait: 'end' });
    faults().add({ match: { method: 'POST', path: '/qemu$' }, action: 'late', times: 1 });
    faults().add({ match: { method: 'POST', path: '/qemu$' }, action: 'reset', times: 1 });
    const error = await world.refused(create({ names: ['early', 'never'] }));
    expect(error).toMatchObject({ code: 'outcome_unknown', details: { guests: [{ status: 'unknown' }, { status: 'unknown' }] } });
    const runId = String(error.details?.run_id);
    faults().clear();
    await until(async () => (await runOf(runId))?.steps.some(({ state }) => state === 'done') ?? false);
    expect(await runOf(runId)).toMatchObject({ status: 'unknown' });
    const guests = (await runOf(runId))?.error?.details?.guests as { name: string; status: string }[];
    const there = guests.find(({ status }) => status === 'done')?.name;
    const lost = guests.find(({ status }) => status === 'unknown')?.name;
    expect(await create({ name: there })).toMatchObject({ kind: 'done', output: { created: false, existing: true } });
    expect(await world.refused(create({ name: lost }))).toMatchObject({ code: 'outcome_unknown', details: { run_id: runId } });
  });

  it('whose outcomes cannot be recorded for a while are reported as unknown together, and recorded afterwards', async () => {
    const vmids = await open(['one', 'two', 'three']);
    let isAway = false;
    const engine = world.another(
      {},
      {
        store: (store) => ({
          ...store,
          runs: {
            ...store.runs,
            async journal(...given) {
              if (isAway) throw new ProxmoxMcpError('store_unavailable', 'The store is away.');
              return store.runs.journal(...given);
            },
          },
        }),
      },
    );
    const asked = await engine.perform('stop_vm', { vmids, force: true }, agent, { wait: 'end' });
    faults().add({ match: { method: 'POST', path: '/status/stop$' }, action: 'hold' });
    const approve = { approval_id: asked.kind === 'approval_required' ? asked.approval.id : '' };
    const refused = world.refused(engine.perform('approve', approve, agent, { wait: 'end' }));
    await faults().untilHeld(3);
    isAway = true;
    faults().clear();
    const error = await refused;
    expect(error).toMatchObject({ code: 'outcome_unknown', message: expect.stringContaining('3 requests may have been sent') });
    isAway = false;
    await until(async () => (await runOf(error.details?.run_id))?.status === 'succeeded');
    expect(stops()).toHaveLength(3);
  });

  it(`whose run the operator closes end with the visible outcome of each, and the operator's word for the rest`, async () => {
    const vmids = await open(['one', 'two']);
    const engine = world.another({}, { clock: hurriedClock() });
    const asked = await engine.perform('stop_vm', { vmids, force: true }, agent, { wait: 'end' });
    faults().add({ match: { method: 'POST', path: '/status/stop$' }, action: 'late' });
    const approve = { approval_id: asked.kind === 'approval_required' ? asked.approval.id : '' };
    const error = await world.refused(engine.perform('approve', approve, agent, { wait: 'end' }));
    const runId = String(error.details?.run_id);
    await world.another().openRuns.close(runId, 'not-done', operator());
    expect(await runOf(runId)).toMatchObject({
      status: 'failed',
      error: { details: { guests: [{ status: 'failed' }, { status: 'failed' }] } },
    });
  });
});

async function latest(): Promise<JsonObject> {
  const result = await world.another().perform('get_task', {}, operator());
  if (result.kind !== 'done') throw new Error('no list');
  return (result.output.runs as JsonObject[])[0] as JsonObject;
}
