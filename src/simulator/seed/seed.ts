import { BUILT_IN_ROLES } from '../access/roles.ts';
import type { World } from '../world.ts';
import { seedDemo } from './demo.ts';
import { addGuest, seedMac, seedUuid } from './parts.ts';
import { seedRecording } from './recording.ts';
import { SEED_TOKENS } from './tokens.ts';

/** One of the clusters that are known, or what fills one of its own. */
export type Seed = 'demo' | 'empty' | 'recording' | { guests: number } | ((world: World) => void);

/** Fills a new state file. Does nothing when it was filled before. */
export function seed(world: World, kind: Seed): void {
  world.write(() => {
    if (world.flag('seed') !== undefined) return;
    world.setFlag('seed', typeof kind === 'string' ? kind : 'own');
    if (typeof kind === 'function') return kind(world);
    for (const role of BUILT_IN_ROLES) world.put('role', role.roleid, role);
    world.put('user', 'root@pam', { userid: 'root@pam', email: 'root@localhost', enable: 1, expire: 0 });
    world.put('options', 'datacenter', { keyboard: 'en-us', mac_prefix: 'BC:24:11', description: '' });
    world.setFlag('token', kind === 'recording' ? 'recordingFull' : 'full');
    if (kind === 'recording') seedRecording(world);
    else seedDemo(world, kind === 'demo');
    if (typeof kind === 'object') seedMany(world, kind.guests);
  });
}

export function mainToken(world: World): { id: string; secret: string } {
  return SEED_TOKENS[(world.flag('token') ?? 'full') as keyof typeof SEED_TOKENS];
}

/** Guests for measurements: ids from 10000 up, every second one running, spread over both nodes. */
function seedMany(world: World, count: number): void {
  const since = world.now() - 3_600_000;
  for (let index = 0; index < count; index += 1) {
    const vmid = 10_000 + index;
    addGuest(world, {
      vmid,
      node: index % 2 === 0 ? 'pve' : 'pve2',
      config: {
        name: `guest-${vmid}`,
        cores: '1',
        memory: '512',
        scsi0: `nas:${vmid}/vm-${vmid}-disk-0.qcow2,size=8G`,
        net0: `virtio=${seedMac(vmid)},bridge=vmbr0`,
        boot: 'order=scsi0',
        smbios1: `uuid=${seedUuid(vmid)}`,
        tags: index % 10 === 0 ? 'many;tenth' : 'many',
      },
      ...(index % 2 === 0 ? { running: { since, pid: 30_000 + index } } : {}),
    });
  }
}
