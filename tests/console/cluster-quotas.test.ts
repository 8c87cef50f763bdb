import { expect, it } from 'vitest';
import { clusterView } from '../../src/console/cluster.ts';
import type { LimitSettings } from '../../src/core/settings.ts';
import type { Engine } from '../../src/engine/types.ts';
import { agent } from '../engine/world.ts';

const limits: LimitSettings = { maxCpu: 16, maxRamMib: 1024, maxDiskGib: 10, maxVms: 5, scope: { kind: 'pool', pool: 'agents' } };
const view = (pool?: string) => {
  const vm = { vmid: 104, name: 'a', type: 'vm', node: 'pve', status: 'running', ...(pool === undefined ? {} : { pool }) };
  const engine = { perform: async () => ({ kind: 'done', output: { vms: [vm], total: 1 } }) } as unknown as Engine;
  return clusterView(engine, agent, limits);
};

it('the page shows what a pool uses, and nothing where the token may not see who is in it', async () => {
  expect((await view('agents/ci')).quotas?.[0]).toMatchObject({ label: 'Guests', used: 1, limit: 5 });
  expect((await view()).quotas).toBeUndefined();
});
