import type { GetApi } from '../../core/proxmox.ts';
import type { GuestRow } from './row.ts';

/** A guest as it was last seen. Node and type are for the guest's own answer to verify; the rest may be old. */
export interface Place {
  row: GuestRow;
  /** Epoch milliseconds at which the cluster's list showed the row. */
  listedAt: number;
  /** Identity of the guest that answered there; absent while only a list showed it. */
  key?: string;
  /** Whether that guest's agent is enabled. */
  agent?: boolean;
}

interface Memory {
  /** The newest whole list, by VMID. */
  rows: readonly GuestRow[];
  listedAt: number;
  read: Map<number, Place>;
}

/** Per connection; forgotten with it. A reader that is limited to a scope has a memory of its own. */
const memories = new WeakMap<GetApi, Memory>();

function memoryOf(api: GetApi): Memory {
  const memory = memories.get(api) ?? { rows: [], listedAt: 0, read: new Map() };
  memories.set(api, memory);
  return memory;
}

/** @param rows all guests that the token can see, by VMID */
export function keepList(api: GetApi, rows: readonly GuestRow[]): void {
  Object.assign(memoryOf(api), { rows, listedAt: Date.now() });
}

/** Keeps what a guest's own answer told beside its row. */
export function keepPlace(api: GetApi, place: Place): void {
  memoryOf(api).read.set(place.row.vmid, place);
}

/** Where the guest was last seen. A list that is newer than its own answer decides. */
export function placeOf(api: GetApi, vmid: number): Place | undefined {
  const { rows, listedAt, read } = memoryOf(api);
  const own = read.get(vmid);
  if (own && own.listedAt >= listedAt) return own;
  const row = rowOf(rows, vmid);
  return row && { ...own, row, listedAt };
}

/** Forgets one guest that answered otherwise than remembered, or all guests after a change of pools. */
export function forgetPlaces(api: GetApi, vmid?: number): void {
  const memory = memoryOf(api);
  if (vmid === undefined) memories.delete(api);
  else {
    memory.read.delete(vmid);
    if (rowOf(memory.rows, vmid)) memory.rows = memory.rows.filter((row) => row.vmid !== vmid);
  }
}

/** Rows are in the order of their VMIDs. */
function rowOf(rows: readonly GuestRow[], vmid: number): GuestRow | undefined {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.vmid ?? 0) < vmid) low = middle + 1;
    else high = middle;
  }
  return rows[low]?.vmid === vmid ? rows[low] : undefined;
}
