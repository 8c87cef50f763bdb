import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { summed } from '../../../core/sums.ts';
import { networksOf } from '../../../proxmox/guest/disks.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';
import type { Replication } from '../../../proxmox/guest/migration.ts';
import { listBridges, type NodeRow } from '../../../proxmox/nodes.ts';
import { placeOn, type StorageRow } from '../../../proxmox/storage.ts';
import type { OperationContext } from '../../define.ts';
import { type Mover, memoryOf } from './mover.ts';

/** A node with what it offers to guests, as far as the token sees it. */
export interface Place {
  node: NodeRow;
  storages: readonly StorageRow[];
  bridges: readonly string[];
  /** Configured for the guests that run there: memory in MiB, and vCPUs. */
  assigned: { memory: number; cpus: number };
}

export async function readPlace(
  api: ProxmoxReader,
  node: NodeRow,
  { storagesOf, guests }: { storagesOf: (node: string) => Promise<StorageRow[]>; guests: readonly GuestRow[] },
): Promise<Place> {
  const [storages, bridges] = await Promise.all([storagesOf(node.node), listBridges(api, node.node).catch(() => [])]);
  const running = guests.filter((row) => row.node === node.node && row.status !== 'stopped' && !row.template);
  const sum = (of: (row: GuestRow) => number | undefined) => running.reduce((total, row) => total + (of(row) ?? 0), 0);
  return { node, storages, bridges, assigned: { memory: sum((row) => row.memoryMib), cpus: sum((row) => row.cpus) } };
}

/** Resources that guests of the same plan take: memory (MiB) by node, space (GiB) by storage as `placeOn` names it. */
export type Taken = ReadonlyMap<string, number>;

/** The facts against which every guest of a plan is checked. */
export interface Question extends Pick<OperationContext, 'reservedGib'> {
  /** For local disks; else a storage of the same name. */
  storage: string | undefined;
  /** The node that the guest is on. */
  home: Place;
  replications: readonly Replication[];
}

/** Why this node cannot take the guest; empty when it can. */
export function reasonsAgainst(mover: Mover, place: Place, question: Question, taken: Taken): string[] {
  const { node } = place;
  const { home, replications, storage } = question;
  const { at, config } = mover.target.guest;
  const nics = [...new Set(networksOf(at.type, config).flatMap(({ bridge }) => bridge ?? []))];
  const lacking = nics.filter((bridge) => home.bridges.includes(bridge) && !place.bridges.includes(bridge));
  const copies = replications.filter(({ vmid }) => vmid === at.vmid).map(({ target }) => target);
  const leavesCopies = mover.how === 'live' && copies.length > 0 && !copies.includes(node.node);
  return [
    ...(mover.known.refused[node.node]?.others ?? []),
    ...missingStorages(mover, place, home, storage).map((name) => `storage ${name} is missing or offline`),
    ...spaceReasons(mover, place, question, taken),
    ...lacking.map((bridge) => `bridge ${bridge} is missing`),
    ...sizeReasons(mover, node, taken),
    ...(leavesCopies ? [`its replication goes to ${copies.join(', ')}, and a running guest moves only there`] : []),
  ];
}

/** The list of storages of a node hides some from the token. One that it sees on either node is not hidden. */
function missingStorages({ known, copied, shared }: Mover, { node, storages }: Place, home: Place, storage: string | undefined): string[] {
  const goals = copied.map((one) => storage ?? one.storage);
  const isSeen = (name: string) => name === storage || home.storages.some((one) => one.storage === name);
  const absent = [...goals, ...shared].filter((name) => {
    const row = storages.find((one) => one.storage === name);
    return row ? !row.usable : isSeen(name);
  });
  // Proxmox names the storages that a VM's disks lack, as if the caller named no other storage.
  const named = (known.refused[node.node]?.storages ?? []).filter((name) => storage === undefined || shared.includes(name));
  return [...new Set([...named, ...absent])];
}

function spaceReasons({ target, copied }: Mover, { node, storages }: Place, { reservedGib, storage }: Question, taken: Taken): string[] {
  const [kind, words] = target.guest.at.type === 'qemu' ? ['images', 'disk images'] : ['rootdir', 'disks of containers'];
  return [...spaceOf(copied, storage)].flatMap(([name, gib]) => {
    const row = storages.find((one) => one.storage === name);
    if (!row?.usable) return [];
    if (!row.content.includes(kind)) return [`storage ${name} does not take ${words}`];
    const at = placeOn(node.node, row);
    const free = Math.max(0, row.freeGib - reservedGib(at) - (taken.get(at) ?? 0));
    return gib > free ? [`storage ${name} has ${tenths(free)} GiB free, ${tenths(gib)} GiB are needed`] : [];
  });
}

/** GiB by the storage on which the copies end. */
function spaceOf(copied: Mover['copied'], storage: string | undefined): Map<string, number> {
  return summed(copied.map((one) => [storage ?? one.storage, one.gib] as const));
}

function sizeReasons(mover: Mover, node: NodeRow, taken: Taken): string[] {
  if (mover.how === 'offline') return [];
  const { at, sizes } = mover.target.guest;
  const cpu = at.type === 'qemu' ? sizes.cpu : undefined;
  const [need, free] = [memoryOf(mover), freeMemory(node, taken)];
  return [
    ...(cpu !== undefined && node.cpus !== undefined && cpu > node.cpus ? [`the guest has ${cpu} CPUs, the node ${node.cpus}`] : []),
    ...(free !== undefined && need > free ? [`the guest has ${need} MiB of memory, ${Math.max(0, Math.floor(free))} MiB are free`] : []),
  ];
}

/** MiB that are free beside what the plan takes; undefined where the token does not see it. */
export function freeMemory({ node, freeMib }: NodeRow, taken: Taken): number | undefined {
  return freeMib === undefined ? undefined : freeMib - (taken.get(node) ?? 0);
}

/** The same with what the guest takes there, too. */
export function withTaken(taken: Taken, mover: Mover, { node, storages }: Place, storage: string | undefined): Taken {
  const copies = [...spaceOf(mover.copied, storage)].flatMap(([name, gib]) => {
    const row = storages.find((one) => one.storage === name);
    return row ? [[placeOn(node.node, row), gib] as const] : [];
  });
  return summed([...taken, [node.node, memoryOf(mover)], ...copies]);
}

function tenths(value: number): string {
  return String(Math.round(value * 10) / 10);
}
