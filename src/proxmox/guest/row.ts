import type { GuestType } from '../../core/guest.ts';

/** One guest as `/cluster/resources` shows it: a cache that follows a change by up to 10 s. */
export interface GuestRow {
  vmid: number;
  type: GuestType;
  node: string;
  /** Empty while Proxmox does not show it yet. */
  name: string;
  /** `running`, `stopped`, `paused` or `unknown`. */
  status: string;
  template: boolean;
  /** vCPUs, MiB, GiB of the boot disk; absent while Proxmox does not show them yet. */
  cpus?: number;
  memoryMib?: number;
  diskGib?: number;
  /** The use now: the part of its own vCPUs, MiB, GiB of a container's root, seconds since its start. As absent as the sizes. */
  cpu?: number;
  memoryUsedMib?: number;
  diskUsedGib?: number;
  uptimeSeconds?: number;
  tags: string[];
  pool?: string;
  lock?: string;
  /** State of the HA resource; absent when HA does not manage the guest. */
  ha?: string;
}
