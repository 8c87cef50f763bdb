import { expect, it } from 'vitest';
import type { Caller } from '../../src/core/people/caller.ts';
import { withEngine } from '../helpers/with-engine.ts';
import { agent } from '../helpers/world.ts';

const world = withEngine();

/** The paths whose privileges a piece of work asks Proxmox for, in order. */
async function askedBy(work: () => Promise<unknown>): Promise<string[]> {
  const { requests } = world().cluster;
  const before = requests.length;
  await work();
  return requests.slice(before).flatMap(({ path, params }) => (path === '/access/permissions' ? [String(params.path)] : []));
}

it('a deletion reads the privileges on each path once, and its approval only those that the deletion may have changed', async () => {
  let id = '';
  const asking = await askedBy(async () => {
    id = await world().asks('delete_vm', { vmid: 104 });
  });
  expect(asking.sort()).toEqual(['/storage/local', '/storage/local-lvm', '/storage/nas', '/storage/pbs', '/vms/104']);
  const deciding = await askedBy(() => world().done('approve', { approval_id: id }));
  expect(deciding).toEqual(['/vms/104', '/storage/nas']);
});

it('a create reads no privileges that its dry-run read a moment before', async () => {
  const args = { name: 'app1' };
  const dry = await askedBy(() => world().call('create_vm', args, { dryRun: true }));
  expect(new Set(dry).size).toBe(dry.length);
  expect(dry.length).toBeGreaterThan(0);
  expect(await askedBy(() => world().done('create_vm', args))).toEqual([]);
});

it('a change of a pool may change the rights, so the next call reads them again', async () => {
  const stop = () => askedBy(() => world().call('stop_vm', { vmid: 107 }, { dryRun: true }));
  expect(await stop()).toEqual(['/vms/107']);
  expect(await stop()).toEqual([]);
  await world().done('approve', { approval_id: await world().asks('update_vm', { vmid: 107, pool: 'agents' }) });
  expect(await stop()).toEqual(['/vms/107']);
});

it('a caller with a scope has the same token, so its plan and its rights cost one request a path', async () => {
  const scoped: Caller = { ...agent, scope: { tags: ['dev'] } };
  const asked = await askedBy(() => world().call('delete_vm', { vmid: 104 }, { dryRun: true }, scoped));
  expect(new Set(asked).size).toBe(asked.length);
  expect(asked).toContain('/vms/104');
});
