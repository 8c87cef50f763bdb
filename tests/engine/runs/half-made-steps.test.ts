import { afterEach, describe, expect, it } from 'vitest';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const IMAGE = 'local:import/debian-12-genericcloud-amd64.qcow2';
const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path.replace(/\/qemu\/\d+/, '/qemu/N')}`);
const CREATE = { name: 'half1', image: IMAGE, storage: 'local-lvm', disk_gb: 10, tags: ['web'] };
const MOVED = { source_vmid: 9000, name: 'half3', target_node: 'pve2', memory: 768 };
/** From shared storage, whose disk is moved at the end. */
const ONTO_TANK = { source_name: 'near1', name: 'half4', target_node: 'pve2', storage: 'tank' };
const CLONE = { source_vmid: 9000, name: 'half2', disk_gb: 30 };

describe.each(['refused', 'failed'] as const)('the same call finishes a guest of which Proxmox %s', (how) => {
  const strike = (method: string, path: string) =>
    world.cluster.simulator.faults.add(
      how === 'refused'
        ? { match: { method, path }, action: 'status', status: 500, reason: 'no space left', times: 1 }
        : { match: { method, path }, action: 'fail-task', exitstatus: 'no space left', times: 1 },
    );

  it.each([
    ['create_vm', CREATE, 'PUT', '/resize$', ['PUT /nodes/pve/qemu/N/resize', 'POST /nodes/pve/qemu/N/config']],
    ['clone_template', CLONE, 'PUT', '/resize$', ['PUT /nodes/pve/qemu/N/resize']],
    ['clone_template', MOVED, 'POST', '/migrate$', ['POST /nodes/pve/qemu/N/migrate', 'POST /nodes/pve2/qemu/N/config']],
    ['clone_template', ONTO_TANK, 'POST', '/move_disk$', ['POST /nodes/pve2/qemu/N/move_disk']],
  ] as const)('%s %j the %s %s', async (operation, args, method, path, rest) => {
    world = await openWorld();
    if (operation === 'clone_template' && 'source_name' in args)
      await world.done('create_vm', { name: 'near1', disk_gb: 1, storage: 'nas' });
    strike(method, path);
    const error = await world.refused(world.call(operation, args));
    expect(error.hint).toContain('Call again with the same arguments');
    const before = sent().length;
    expect(await world.done(operation, args)).toMatchObject({ created: true, continues: expect.stringMatching(/^run_/) });
    expect(sent().slice(before)).toEqual(rest);
    expect(await world.done(operation, args)).toMatchObject({ created: false, differences: [] });
    expect(sent()).toHaveLength(before + rest.length);
  });
});
