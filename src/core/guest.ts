import { plainText } from './text/text.ts';

/** Proxmox's two kinds of guest, by the name of their API folder: `qemu` is a VM, `lxc` a container. */
export type GuestType = 'qemu' | 'lxc';

/** The address of a guest's own requests. */
export interface GuestAt {
  vmid: number;
  type: GuestType;
  node: string;
}

/**
 * The facts that identify a guest. VMIDs are recycled and names are not unique, so an approval is bound to all of it.
 * Any difference at redemption makes the approval stale.
 */
export interface GuestIdentity extends GuestAt {
  /** SMBIOS uuid of a VM; for a container (which has none) a hash of its root volume, MAC addresses, architecture and OS type. */
  key: string;
  /** vmgenid: renewed by rollback and restore. Absent where the guest has none. */
  generation?: string;
  /** Empty when the guest has no name. */
  name: string;
  protection: boolean;
  /** The config lock (`backup`, `clone`, …); absent when unlocked. */
  lock?: string;
  /** Volume ids of all disks, unused ones included, sorted. */
  disks: string[];
  /** Names of its snapshots; only where a plan destroys them. */
  snapshots?: string[];
}

/** `web1 (105)`, for texts that humans read. */
export function labelOf({ name, vmid }: { name: string; vmid: number }): string {
  return name === '' ? `guest ${vmid}` : `${plainText(name, 80)} (${vmid})`;
}

/** The text that a human types to decide about this guest: names are not unique, numbers alone are easily confused. */
export function typedName(target: { name: string; vmid: number }): string {
  return target.name === '' ? String(target.vmid) : `${target.name} ${target.vmid}`;
}

/** Whether these tags hold this one. Proxmox lower-cases tags, people do not. */
export function isTagged(tags: readonly string[], tag: string): boolean {
  return tags.some((one) => one.toLowerCase() === tag.toLowerCase());
}

/** Whether a guest's pool is this one or nested in it: `a` includes `a/b`. */
export function isInPool(pool: string | undefined, parent: string): boolean {
  return pool !== undefined && (pool === parent || pool.startsWith(`${parent}/`));
}
