import { afterEach, expect, it } from 'vitest';
import { SEED_TOKENS } from '../../../../src/simulator/index.ts';
import { openStore, type Store } from '../../../../src/store/index.ts';
import { agent, hurriedClock, openWorld, type World } from '../../../helpers/world.ts';
import { until } from '../../../simulator/client.ts';

/** The rules for VMs (late.test.ts) hold for containers, whose configuration changes by a PUT that leaves no task. */
let world: World;
let store: Store;
afterEach(async () => {
  await store.close();
  await world.close();
});

async function lose(operation: string, args: object, method: string, path: string) {
  world = await openWorld();
  store = await openStore({ dataDir: world.dataDir });
  const engine = world.another(
    { connection: world.cluster.connection(SEED_TOKENS.full) },
    { clock: hurriedClock(), token: SEED_TOKENS.full },
  );
  const perform = (name: string, given: object) => engine.perform(name, given, agent, { wait: 'end' });
  if (operation === 'start_vm') await world.other().task('POST', '/nodes/pve/lxc/200/status/stop');
  world.cluster.simulator.faults.add({ match: { method, path }, action: 'late', times: 1 });
  const first = await perform(operation, args).catch((error) => error);
  const refused = first.kind === 'approval_required' ? await world.refused(perform('approve', { approval_id: first.approval.id })) : first;
  expect(refused).toMatchObject({ code: 'outcome_unknown', message: expect.not.stringMatching(/nothing was done/i) });
  return { perform, id: String(refused.details?.run_id) };
}
const statusOf = async (id: string) => (await store.runs.get(id))?.status;

it.each([
  ['set_resources', { vmid: 200, memory: 1024 }, 'PUT', '/lxc/200/config$'],
  ['start_vm', { vmid: 200 }, 'POST', '/lxc/200/status/start$'],
  ['stop_vm', { vmid: 200 }, 'POST', '/lxc/200/status/shutdown$'],
  ['stop_vm', { vmid: 200, force: true }, 'POST', '/lxc/200/status/stop$'],
] as const)(
  '%s %j of a container that is executed late is unknown until then, and never sent again',
  async (operation, args, method, path) => {
    const { id } = await lose(operation, args, method, path);
    expect(await statusOf(id)).toBe('unknown');
    const sent = world.cluster.mutations().length;
    world.cluster.simulator.faults.release();
    await until(async () => (await statusOf(id)) === 'succeeded');
    expect(world.cluster.mutations()).toHaveLength(sent);
  },
);

it('a late change of a container that another client changed meanwhile can no longer take effect, and its run says so', async () => {
  const { id, perform } = await lose('set_resources', { vmid: 200, memory: 1024 }, 'PUT', '/lxc/200/config$');
  await world.other().put('/nodes/pve/lxc/200/config', { memory: '768' });
  await until(async () => (await statusOf(id)) === 'failed');
  world.cluster.simulator.faults.release();
  expect(await perform('get_task', { run_id: id })).toMatchObject({ output: { status: 'failed', error: { code: 'conflict' } } });
  expect((await world.other().get('/nodes/pve/lxc/200/config')).data).toMatchObject({ memory: 768 });
});
