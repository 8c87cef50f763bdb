import { defined } from '../../core/defined.ts';
import { asError, fail } from '../../core/errors/errors.ts';
import type { GuestAt, GuestIdentity, GuestType } from '../../core/guest.ts';
import { oncePer } from '../../core/once-per.ts';
import type { GetApi, ProxmoxReader } from '../../core/proxmox.ts';
import { gibOf, isSet, mibOf, numberOf } from '../../core/text/sizes.ts';
import { type Disk, dataGib, disksOf } from './disks.ts';
import { path } from './encode.ts';
import { identityOf } from './identity.ts';
import { keepList } from './places.ts';
import { type Options, optionsOf, textOf } from './property-strings.ts';
import { GuestRow, type ResourceRow, tagsByText, tagsOf } from './row.ts';

export { type GuestRow, tagsOf } from './row.ts';
export type { GuestAt };

/** Whether no guest of the cluster has this VMID, visible to the token or not: `GET /cluster/nextid?vmid=N`. */
export async function isFree(api: GetApi, vmid: number): Promise<boolean> {
  try {
    await api.get('/cluster/nextid', { vmid });
    return true;
  } catch (thrown) {
    if (asError(thrown).code === 'conflict') return false;
    throw thrown;
  }
}

/** `GET /cluster/nextid`: a hint that reserves nothing. */
export async function nextFree(api: GetApi): Promise<number> {
  return Number(await api.get<string | number>('/cluster/nextid'));
}

/** All guests that the token can see, by VMID: one `GET /cluster/resources?type=vm`. Readers share the rows, and none may change them. */
export async function listGuests(api: GetApi): Promise<readonly GuestRow[]> {
  const rows = await api.get<ResourceRow[]>('/cluster/resources', { type: 'vm' });
  const guests = guestsOf(rows);
  keepList(api, guests);
  return guests;
}

/** The adapter answers the same rows as long as Proxmox does. */
const guestsOf = oncePer((rows: readonly ResourceRow[]): readonly GuestRow[] => {
  // Written out: a fleet has thousands of rows.
  const guests: GuestRow[] = [];
  const tags = tagsByText();
  for (const row of rows) if (row.type === 'qemu' || row.type === 'lxc') guests.push(new GuestRow(row, row.type, tags));
  return isInOrder(guests) ? guests : guests.sort((a, b) => a.vmid - b.vmid);
});

function isInOrder(guests: readonly GuestRow[]): boolean {
  let before = 0;
  for (const { vmid } of guests) {
    if (vmid < before) return false;
    before = vmid;
  }
  return true;
}

/** Where a guest is now, read afresh: guests move. @throws guest_not_found, also for a guest that the token must not see */
export async function locate(api: GetApi, vmid: number): Promise<GuestRow> {
  return (await listGuests(api)).find((g) => g.vmid === vmid) ?? fail('guest_not_found', `No guest with VMID ${vmid} is visible.`);
}

/** `/nodes/{node}/qemu|lxc/{vmid}` */
export function guestPath(at: GuestAt): string {
  return path`/nodes/${at.node}/${at.type}/${at.vmid}`;
}

/** A value that applies at the next stop and start; `next` is absent when the option will be gone. */
export interface PendingChange {
  key: string;
  now?: string;
  next?: string;
  /** The removal frees this volume of the guest: it was requested by force, or the disk is detached already. */
  destroys?: Disk;
}

export interface Guest {
  at: GuestAt;
  identity: GuestIdentity;
  template: boolean;
  tags: string[];
  /** Options as the running guest has them, and as they will be; cloud-init passwords are ten stars. */
  live: Options;
  config: Options;
  pending: PendingChange[];
  /** SHA-1 of the configuration file; absent for containers of old versions. */
  digest?: string;
  disks: Disk[];
  /** When pending changes are applied. CPU is sockets × cores; absent for a container without a core limit. */
  sizes: { cpu?: number; memoryMib: number; diskGib: number };
}

interface PendingRow {
  key: string;
  value?: string | number;
  pending?: string | number;
  /** With 1 the option will be removed, with 2 by force, which frees the volume of a disk. */
  delete?: number | string;
}

/** Configuration, pending changes and identity in one request: `GET …/pending`. */
export async function readGuest(api: GetApi, at: GuestAt): Promise<Guest> {
  const rows = await api.get<PendingRow[]>(`${guestPath(at)}/pending`);
  return guestOf(rows, at.vmid, at.type, at.node);
}

const guestOf = oncePer((rows: readonly PendingRow[], vmid: number, type: GuestType, node: string): Guest => {
  const at = { vmid, type, node };
  const removed = (r: PendingRow) => Number(r.delete ?? 0) > 0;
  const digest = textOf(rows.find(({ key }) => key === 'digest')?.value);
  const options = rows.filter(({ key }) => key !== 'digest');
  const live = optionsOf(options.map((r) => [r.key, r.value]));
  const changing = options.filter((r) => r.pending !== undefined || removed(r));
  const config =
    changing.length === 0 ? { ...live } : optionsOf(options.map((r) => [r.key, removed(r) ? undefined : (r.pending ?? r.value)]));
  const pending = changing.map((r): PendingChange => {
    const [now, next] = [textOf(r.value), removed(r) ? undefined : textOf(r.pending)];
    const destroys = Number(r.delete ?? 0) === 2 || (removed(r) && /^unused\d+$/.test(r.key)) ? ownDisk(at.vmid, r.key, now) : undefined;
    return { key: r.key, ...defined({ now, next, destroys }) };
  });
  const disks = disksOf(config);
  return {
    at,
    identity: identityOf(at, live, config),
    template: config.template === '1',
    tags: tagsOf(config.tags),
    live,
    config,
    pending,
    ...defined({ digest }),
    disks,
    sizes: { ...cpuOf(at.type, config), memoryMib: memoryOf(config), diskGib: dataGib(disks, at.vmid) },
  };
});

/** The disk in this slot if its volume goes with the guest: no ISO, no path on the host, no volume of another guest. */
function ownDisk(vmid: number, slot: string, text: string | undefined): Disk | undefined {
  return disksOf(text === undefined ? {} : { [slot]: text }).find((d) => d.media !== 'cdrom' && d.owner === vmid);
}

/** The vCPUs of a guest; none for a container without a limit, which uses all CPUs of its node. */
export function cpuOf(type: GuestType, config: Options): { cpu?: number } {
  if (type === 'lxc') return config.cores === undefined ? {} : { cpu: Number(config.cores) };
  return { cpu: Number(config.sockets ?? 1) * Number(config.cores ?? 1) };
}

/** MiB; `memory` is a number or, from 8.x on, a property string `current=N`. Proxmox's default is 512. */
export function memoryOf(config: Options): number {
  return Number(/(?:^|current=)(\d+)/.exec(config.memory ?? '')?.[1] ?? 512);
}

/**
 * Whether this VMID belongs now, wherever in the cluster, to another guest than the one with this identity key. What is left of a guest while
 * Proxmox destroys it (lock `destroyed`) is still that guest.
 * @throws guest_not_found when the token sees no guest
 */
export async function isAnother(api: GetApi, vmid: number, key: string): Promise<boolean> {
  const { identity } = await readGuest(api, await locate(api, vmid));
  return identity.lock !== 'destroyed' && identity.key !== key;
}

export interface GuestStatus {
  status: 'running' | 'stopped';
  /** QEMU's own word, such as `running`, `paused`, `suspended` or `prelaunch`. A container is `stopped` or `running`. */
  detail: string;
  uptimeSeconds: number;
  /** Bytes in use inside the guest, as far as the host can tell; 0 when it cannot. */
  usedBytes: number;
  /** The busy part of its vCPUs, 0 to 1. */
  cpu?: number;
  /** GiB of a container's root that are in use. */
  diskUsedGib?: number;
  /** MiB that the balloon leaves to the running guest. */
  balloonMib?: number;
  lock?: string;
  /** State of the HA resource; absent when HA does not manage the guest. */
  ha?: string;
}

/** `GET …/status/current`: current at once. */
export async function readStatus(api: ProxmoxReader, at: GuestAt): Promise<GuestStatus> {
  const s = await api.get<{
    status: string;
    qmpstatus?: string;
    uptime?: number;
    mem?: number;
    cpu?: number;
    disk?: number;
    ballooninfo?: { actual?: number };
    lock?: string;
    ha?: { managed?: number; state?: string };
  }>(`${guestPath(at)}/status/current`);
  const balloon = s.ballooninfo?.actual;
  return {
    status: s.status === 'running' ? 'running' : 'stopped',
    detail: s.qmpstatus ?? s.status,
    uptimeSeconds: Number(s.uptime ?? 0),
    usedBytes: Number(s.mem ?? 0),
    ...defined({ cpu: numberOf(s.cpu), diskUsedGib: gibOf(s.disk || undefined), balloonMib: mibOf(balloon), lock: s.lock || undefined }),
    ...(isSet(s.ha?.managed) ? { ha: s.ha?.state ?? 'managed' } : {}),
  };
}
