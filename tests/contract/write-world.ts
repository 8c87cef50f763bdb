import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { addGuest, addVolume } from '../../src/simulator/seed/parts.ts';
import type { World } from '../../src/simulator/world.ts';

const GIB = 1024 ** 3;

export type Step = ['any'] | ['bare', string?, string?] | ['answer' | 'task' | 'update', string, string];

/** A call for which the privileges were measured, with what Proxmox asked for until it accepted it. */
export interface Call {
  what: string;
  method: string;
  path: string;
  params: Record<string, string>;
  asked: Step[];
}

const FILE = fileURLToPath(new URL('../recordings/write-rights.json', import.meta.url));
export const { calls } = JSON.parse(readFileSync(FILE, 'utf8')) as { calls: Call[] };

/** What the calls for which privileges were measured had found, besides the guests of the recording. */
export function furnish(world: World, what: string): void {
  world.put('user', 'writer@pve', { userid: 'writer@pve', enable: 1, expire: 0 });
  const disk = (volid: string, vmid: number) =>
    addVolume(world, { volid, vmid, node: 'pve', content: 'images', format: 'qcow2', size: GIB, used: 1_000 });
  const net0 = 'virtio=BC:24:11:00:00:01,bridge=vmbr0';
  disk('local:100/vm-100-disk-1.qcow2', 100);
  for (const vmid of [130, 131, 132, 133]) {
    disk(`local:${vmid}/vm-${vmid}-disk-0.qcow2`, vmid);
    addGuest(world, { vmid, config: { name: `c${vmid}`, memory: '64', net0, scsi0: `local:${vmid}/vm-${vmid}-disk-0.qcow2,size=1G` } });
  }
  change(world, 100, extrasOf(what));
  const isMoved = what === 'disk reassign to a guest';
  for (const key of ['scsi3', 'scsi4']) {
    const volid = `${isMoved ? 'local' : 'store2'}:103/vm-103-disk-${key.slice(4)}.qcow2`;
    disk(volid, 103);
    change(world, 103, { [key]: `${volid},size=1G` });
  }
  if (what === 'registered tag set') world.put('options', 'datacenter', { 'registered-tags': 'vip' });
  if (what === 'tag with user-allow=none') world.put('options', 'datacenter', { 'user-tag-access': 'user-allow=none' });
  for (const volume of world.all('volume').values()) {
    const config = volume.content === 'backup' ? world.guest(volume.vmid ?? 0)?.config : undefined;
    if (config) addVolume(world, { ...volume, config });
  }
  const guest = world.guest(100);
  const saved = { config: guest?.config ?? {}, snaptime: 1, description: '' };
  if (guest) world.saveGuest({ ...guest, snapshots: { s1: saved, c1: saved } }, 0);
  if (what.startsWith('backup job ') && what !== 'backup job create')
    world.put('job', 'w1', { id: 'w1', type: 'vzdump', enabled: 1, schedule: 'sun 04:00', vmid: '102', storage: 'local' });
  if (RUNNING.has(what)) run(world, 100);
}

/** Calls that found guest 100 running. */
const RUNNING = new Set(['pause', 'resume', 'reset', 'hibernate', 'shutdown with force', 'stop', 'stop overrule']);

function run(world: World, vmid: number): void {
  const guest = world.guest(vmid);
  if (guest) world.saveGuest({ ...guest, running: { since: world.now() - 60_000, pid: 4_000 } }, 0);
}

/** Each call found the result of those before it: drives, cards and tags of guest 100. */
function extrasOf(what: string): Record<string, string> {
  const scsi5 = { scsi5: 'local:100/vm-100-disk-1.qcow2,size=1G' };
  const unused0 = { unused0: 'local:100/vm-100-disk-1.qcow2' };
  const extras: Record<string, Record<string, string>> = {
    'NIC with VLAN': { net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr1' },
    'NIC remove': { net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr1,tag=5' },
    'CD insert ISO': { ide2: 'none,media=cdrom' },
    'CD eject': { ide2: 'isoonly:iso/other.iso,media=cdrom' },
    'CD remove drive': { ide2: 'none,media=cdrom' },
    'disk options change': scsi5,
    'disk detach': scsi5,
    'disk reattach': unused0,
    'disk destroy (unlink force)': unused0,
    'tag with user-allow=none': { tags: 'red' },
  };
  return extras[what] ?? {};
}

function change(world: World, vmid: number, more: Record<string, string>): void {
  const guest = world.guest(vmid);
  if (guest) world.saveGuest({ ...guest, config: { ...guest.config, ...more } }, 0);
}
