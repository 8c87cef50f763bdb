import { findStorage } from '../guest/volumes.ts';
import type { Config, Guest } from '../model.ts';
import { sumOf } from '../network.ts';
import type { World } from '../world.ts';
import { addStorage, addVolume } from './parts.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const DAY = 86_400_000;

/** Past of the demo: backups, old snapshots, load, leftovers and tasks, so that there is something to find. */
export function seedHistory(world: World): void {
  addStorage(world, {
    storage: 'pbs',
    type: 'pbs',
    content: ['backup'],
    shared: true,
    total: 4096 * GIB,
    base: 900 * GIB,
    extra: { server: '192.0.2.10', datastore: 'main', username: 'backup@pbs' },
  });
  world.put('storage', 'nas', { ...findStorage(world, 'nas'), prune: 'keep-daily=7,keep-weekly=4' });
  world.put('storage', 'local-lvm', { ...findStorage(world, 'local-lvm'), growth: 3 * GIB });
  seedBackups(world);
  // One snapshot that was forgotten, on a guest that nothing else happens to.
  const monitor = guestOf(world, 107);
  const taken = { config: monitor.config, snaptime: secondsAgo(world, 95), description: 'before the move to new disks' };
  change(world, 107, { snapshots: { 'before-move': taken }, parent: 'before-move' });
  change(world, 101, { inside: { ...guestOf(world, 101).inside, load: { cpu: [0.78, 0.99], memory: [0.88, 0.97] } } });
  setConfig(world, 106, { ide2: 'local:iso/debian-12.iso,media=cdrom,size=631M' });
  addVolume(world, {
    volid: 'local-lvm:vm-777-disk-0',
    node: 'pve',
    content: 'images',
    format: 'raw',
    size: 20 * GIB,
    used: 2 * GIB,
    vmid: 777,
  });
  world.put('firewall', '100', {
    options: { enable: 1, policy_in: 'DROP' },
    rules: [
      { type: 'in', action: 'ACCEPT', macro: 'HTTPS', enable: 1, comment: 'web' },
      { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '22', source: '10.77.0.0/24', enable: 1, comment: 'ssh from the LAN' },
    ],
  });
  seedTasks(world);
  seedNetwork(world);
}

const secondsAgo = (world: World, days: number): number => Math.floor((world.now() - days * DAY) / 1000);

function guestOf(world: World, vmid: number): Guest {
  const guest = world.guest(vmid);
  if (!guest) throw new Error(`the demo has no guest ${vmid}`);
  return guest;
}

function change(world: World, vmid: number, more: Partial<Guest>): void {
  world.saveGuest({ ...guestOf(world, vmid), ...more }, 0);
}

const setConfig = (world: World, vmid: number, more: Config): void =>
  change(world, vmid, { config: { ...guestOf(world, vmid).config, ...more } });

/** On the backup server: recent ones, of which one does not verify and one was not looked at yet. */
function seedBackups(world: World): void {
  backup(world, 100, 1, 'ok');
  backup(world, 100, 8, 'ok');
  backup(world, 101, 1, 'failed');
  backup(world, 200, 3);
}

function backup(world: World, vmid: number, days: number, verified?: 'ok' | 'failed'): void {
  const guest = guestOf(world, vmid);
  const ctime = Math.floor(secondsAgo(world, days) / 86_400) * 86_400 + 9_000;
  const moment = new Date(ctime * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
  const kind = guest.type === 'qemu' ? 'vm' : 'ct';
  const size = guest.type === 'qemu' ? 3 * GIB : 400 * MIB;
  addVolume(world, {
    ...{ volid: `pbs:backup/${kind}/${vmid}/${moment}`, content: 'backup', format: `pbs-${kind}`, size, used: size, vmid, ctime },
    ...{ notes: guest.config.name ?? guest.config.hostname ?? '', subtype: guest.type, config: guest.config },
    ...(verified ? { verification: verified } : {}),
  });
}

/** A stop of long ago, a backup that failed, and one that did not. */
function seedTasks(world: World): void {
  past(world, { days: 74, node: 'pve2', type: 'vzshutdown', id: '201', exit: 'OK', log: ['TASK OK'] });
  const failed = [
    'INFO: starting new backup job: vzdump 107 --storage nas --mode snapshot --node pve2',
    'INFO: Starting Backup of VM 107 (qemu)',
    "ERROR: Backup of VM 107 failed - unable to open file '/mnt/pve/nas/dump' - No space left on device",
    'INFO: Backup job finished with errors',
    'TASK ERROR: job errors',
  ];
  past(world, { days: 2, node: 'pve2', type: 'vzdump', id: '107', exit: 'job errors', log: failed });
  past(world, { days: 1, node: 'pve2', type: 'vzdump', id: '101', exit: 'OK', log: ['INFO: Backup job finished successfully', 'TASK OK'] });
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

function past(world: World, wanted: { days: number; node: string; type: string; id: string; exit: string; log: string[] }): void {
  const { days, node, type, id, exit, log } = wanted;
  const start = world.now() - days * DAY;
  const [pid, pstart] = [1_000 + days, 5_000 + days];
  const upid = `UPID:${node}:${hex(pid)}:${hex(pstart)}:${hex(Math.floor(start / 1000))}:${type}:${id}:root@pam:`;
  const made = { upid, node, pid, pstart, type, id, owner: 'root@pam', start, end: start + 40_000, due: start + 40_000, exit, log };
  world.addTask({ ...made, state: 'done', kind: '', args: {}, locks: [], warnings: 0 });
}

/** Files that the nodes can fetch, and templates of containers. */
function seedNetwork(world: World): void {
  const site = (url: string, size: number, mimetype: string) => world.put('site', url, { url, size, mimetype });
  const disk = 'application/octet-stream';
  site('https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2', 420 * MIB, disk);
  site('https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img', 590 * MIB, disk);
  site(
    'https://cdimage.debian.org/debian-cd/current/amd64/iso-cd/debian-13.1.0-amd64-netinst.iso',
    700 * MIB,
    'application/x-iso9660-image',
  );
  for (const [name, version, section] of [
    ['debian-13-standard', '13.1-2', 'system'],
    ['alpine-3.22-default', '20250617', 'system'],
  ] as const) {
    const template = `${name}_${version}_amd64.tar.zst`;
    const location = `http://download.proxmox.com/images/system/${template}`;
    site(location, 120 * MIB, disk);
    const sha512sum = sumOf({ url: location, size: 0, mimetype: disk }, 'sha512');
    const about = { headline: name, description: `${name} container`, infopage: 'https://www.proxmox.com', maintainer: 'Proxmox' };
    const what = { package: name, version, type: 'lxc', os: name.split('-').slice(0, 2).join('-'), section, architecture: 'amd64' };
    world.put('appliance', template, { template, location, sha512sum, source: location, ...about, ...what });
  }
}
