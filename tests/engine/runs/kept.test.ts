import { afterEach, describe, expect, it } from 'vitest';
import { ProxmoxMcpError } from '../../../src/core/errors/errors.ts';
import { apply } from '../../../src/engine/runs/steps/apply.ts';
import type { Engine } from '../../../src/engine/types.ts';
import { callsTo } from '../../helpers/calls.ts';
import { parts, planOf, requestStep, runOf } from '../../helpers/parts.ts';
import { agent, hurriedClock, openWorld, type World } from '../../helpers/world.ts';
import { type Client, clientOf, until } from '../../simulator/client.ts';

/** Proxmox keeps a change that it cannot apply to the running guest, and calls it an error. */
let world: World | undefined;
let cluster: Client;
afterEach(async () => {
  cluster?.close();
  await world?.close();
  world = undefined;
});

/** A running guest with memory hotplug, of which 1024 MiB cannot be unplugged. */
async function open(): Promise<World> {
  world = await openWorld();
  cluster = clientOf(world.cluster.simulator);
  await cluster.put('/nodes/pve/qemu/105/config', { memory: '2048', numa: '1', hotplug: 'network,disk,memory' });
  await cluster.task('POST', '/nodes/pve/qemu/105/status/start');
  return world;
}
const resized = (engine: Engine, args: object) => callsTo(engine, agent).approved('set_resources', args);

describe('a change whose task fails at the running guest and that waits for the next start', () => {
  it('is done, and the answer names the pending values and the reason', async () => {
    const { engine, audit } = await open();
    const output = await resized(engine, { vmid: 105, memory: 1000 });
    expect(output.result ?? output).toMatchObject({
      pending: { memory: expect.stringContaining('2048 → 1000') },
      warnings: expect.arrayContaining([expect.stringMatching(/kept it: .*memory can't be lower than 1024 MB/)]),
    });
    expect(audit().filter((line) => line.kind === 'outcome')).toMatchObject([{ status: 'succeeded' }]);
    expect((await cluster.get('/nodes/pve/qemu/105/config')).data).toMatchObject({ memory: '1000' });
  });

  it('is done also when the answer was lost and its task is found after the run had ended as unknown', async () => {
    const { another, cluster: place, audit } = await open();
    const engine = another({}, { clock: hurriedClock() });
    place.simulator.faults.add({ match: { method: 'POST', path: '/config$' }, action: 'late', times: 1 });
    await expect(resized(engine, { vmid: 105, memory: 1000 })).rejects.toMatchObject({ code: 'outcome_unknown' });
    place.simulator.faults.release();
    await until(() => audit().some((line) => line.kind === 'reconciled' && line.status === 'succeeded'));
    // The row follows the line of the audit.
    await expect.poll(() => engine.openRuns.list(), { timeout: 10_000 }).toEqual([]);
  });

  it('is a failure like any other when the configuration does not have it', async () => {
    const { engine, cluster: place, refused } = await open();
    place.simulator.faults.add({ match: { path: '/config$', method: 'POST' }, action: 'fail-task', exitstatus: 'no space', times: 1 });
    expect(await refused(resized(engine, { vmid: 105, memory: 1000 }))).toMatchObject({ code: 'task_failed' });
    expect((await cluster.get('/nodes/pve/qemu/105/config')).data).toMatchObject({ memory: '2048' });
  });
});

describe('a container’s change that is refused', () => {
  const step = requestStep('config', {
    method: 'PUT',
    path: '/nodes/pve/lxc/201/config',
    params: { memory: 256, digest: 'd' },
    proof: { kind: 'config', type: 'lxc', vmid: 201, node: 'pve', has: { memory: '256' } },
  });
  const refusal = new ProxmoxMcpError('invalid_arguments', 'Proxmox refused the change: memory: unable to hotplug memory', {
    details: { proxmox: { status: 400, message: 'Parameter verification failed.' } },
  });
  const outcome = async (isKept: boolean | undefined, params = step.params) => {
    const p = parts({ runs: { journal: async () => true } });
    p.proxmox = {
      ...p.proxmox,
      send: async () => {
        throw refusal;
      },
      holds: async () => isKept,
    };
    return apply(runOf({ plan: planOf({ steps: [{ ...step, params }] }) }), { maySend: true, secrets: new Map() }, p);
  };

  it('is done where the configuration has it', async () => {
    expect(await outcome(true)).toMatchObject({ status: 'succeeded', steps: [{ state: 'done', data: { kept: true } }] });
  });

  it('failed where the configuration lacks it, where it cannot be seen, and where only a part can be seen', async () => {
    expect(await outcome(false)).toMatchObject({ status: 'failed', error: { code: 'invalid_arguments' } });
    expect(await outcome(undefined)).toMatchObject({ status: 'failed' });
    expect(await outcome(true, { ...step.params, cores: 2 })).toMatchObject({ status: 'failed' });
  });
});
