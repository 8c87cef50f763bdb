import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { SEED_TOKENS } from '../../../src/simulator/index.ts';
import { asRoot } from '../../helpers/rights.ts';
import { agent, hurriedClock, openWorld, type World } from '../../helpers/world.ts';

/** The same create again, while and after the answer of the first one was cut off. */
let world: World;
afterEach(() => world.close());

const ARGS = { name: 'lost1', disk_gb: 1 };
const creates = () => world.cluster.mutations().filter(({ method, path }) => method === 'POST' && path.endsWith('/qemu'));
const outputOf = (result: { kind: string; output?: JsonObject }) => result.output ?? { kind: result.kind };

describe.each([
  ['a token of full rights', undefined],
  ['a token of a pool', SEED_TOKENS.leastPrivilege],
])('with %s', (_, token) => {
  const engineOf = () =>
    token
      ? world.another(
          {
            defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm', pool: 'agents' },
            connection: world.cluster.connection(token),
          },
          { token },
        )
      : world.another();

  it.each(['reset-after', '596-after'] as const)(
    'equal calls join the create that was cut (%s), and later ones find its guest',
    async (action) => {
      world = await openWorld();
      const engines = [engineOf(), engineOf()];
      world.cluster.simulator.faults.add({ match: { method: 'POST', path: '/qemu$' }, action, times: 1 });
      const calls = [0, 1, 2, 3].map((i) => (engines[i % 2] as World['engine']).perform('create_vm', ARGS, agent, { wait: 'end' }));
      const made = (await Promise.all(calls)).map(outputOf);
      expect(new Set(made.map(({ vmid }) => vmid)).size).toBe(1);
      expect(made.map(({ created }) => created).sort()).toEqual([false, false, false, true]);
      expect(await engines[0]?.perform('create_vm', ARGS, agent, { wait: 'end' })).toMatchObject({
        output: { existing: true, differences: [] },
      });
      expect(creates()).toHaveLength(1);
    },
  );
});

it('the name of a guest that was made here and renamed since is free again', async () => {
  world = await openWorld();
  const engine = world.another({}, { clock: hurriedClock() });
  const make = () => engine.perform('create_vm', ARGS, agent, { wait: 'end' });
  const first = outputOf(await make());
  await asRoot(world.cluster, 'PUT', `/nodes/pve/qemu/${first.vmid}/config`, { name: 'kept1' });
  const second = outputOf(await make());
  expect(second).toMatchObject({ created: true, name: 'lost1' });
  expect(second.vmid).not.toBe(first.vmid);
});
