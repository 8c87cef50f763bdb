import { saveVolume } from '../guest/volumes.ts';
import type { Acl, Config, Guest, NodeDoc, Storage, Volume } from '../model.ts';
import type { World } from '../world.ts';

const GIB = 1024 ** 3;

export function addToken(world: World, token: { id: string; secret: string }, privsep: 0 | 1, expire = 0): void {
  world.put('token', token.id, { tokenid: token.id, secret: token.secret, privsep, expire });
}

export function grant(world: World, path: string, ugid: string, roleid: string): void {
  const acl: Acl = { path, ugid, roleid, type: ugid.includes('!') ? 'token' : 'user', propagate: 1 };
  world.put('acl', aclKey(acl), acl);
}

export const aclKey = (acl: Pick<Acl, 'path' | 'ugid' | 'roleid'>): string => `${acl.path} ${acl.ugid} ${acl.roleid}`;

export function addNode(world: World, node: Partial<NodeDoc> & { node: string }): void {
  const bootedAt = world.now() - 86_400_000;
  world.put('node', node.node, {
    online: true,
    ip: '192.0.2.2',
    dns: '192.0.2.53',
    cpus: 16,
    memory: 64 * GIB,
    rootTotal: 96 * GIB,
    rootUsed: 12 * GIB,
    bootedAt,
    bridges: [{ iface: 'vmbr0', cidr: '10.77.0.1/24' }],
    ...node,
  });
}

export function addStorage(world: World, storage: Partial<Storage> & { storage: string; type: Storage['type']; content: string[] }): void {
  world.put('storage', storage.storage, { shared: false, total: 100 * GIB, base: 8 * GIB, ...storage });
}

export function addVolume(world: World, volume: Partial<Volume> & { volid: string; content: Volume['content']; size: number }): void {
  const storage = volume.volid.slice(0, volume.volid.indexOf(':'));
  const used = volume.used ?? Math.floor(volume.size * 0.4);
  const ctime = Math.floor(world.now() / 1000) - 86_400;
  saveVolume(world, { storage, node: '', format: 'raw', ctime, ...volume, used });
}

export function addGuest(world: World, guest: Partial<Guest> & { vmid: number; config: Config }): void {
  const whole: Guest = {
    type: 'qemu',
    node: 'pve',
    pending: {},
    pendingDelete: {},
    snapshots: {},
    inside: { acpi: true, agent: true },
    changedAt: 0,
    ...guest,
  };
  world.saveGuest(whole, 0);
}

/** Deterministic stand-ins for what the real one draws at random. */
export const seedUuid = (vmid: number): string => `5eed0000-0000-4000-8000-${String(vmid).padStart(12, '0')}`;

export function seedMac(vmid: number): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');
  return `BC:24:11:${hex((vmid >> 16) & 255)}:${hex((vmid >> 8) & 255)}:${hex(vmid & 255)}`;
}
