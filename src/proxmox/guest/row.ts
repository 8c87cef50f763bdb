import type { GuestType } from '../../core/guest.ts';

/** One guest as `/cluster/resources` shows it: a cache that follows a change by up to 10 s. Several calls share a row. */
export interface GuestRow {
  readonly vmid: number;
  readonly type: GuestType;
  readonly node: string;
  /** Empty while Proxmox does not show it yet. */
  readonly name: string;
  /** `running`, `stopped`, `paused` or `unknown`. */
  readonly status: string;
  readonly template: boolean;
  /** vCPUs, MiB, GiB of the boot disk; absent while Proxmox does not show them yet. */
  readonly cpus?: number;
  readonly memoryMib?: number;
  readonly diskGib?: number;
  /** The use now: the part of its own vCPUs, MiB, GiB of a container's root, seconds since its start. As absent as the sizes. */
  readonly cpu?: number;
  readonly memoryUsedMib?: number;
  readonly diskUsedGib?: number;
  readonly uptimeSeconds?: number;
  readonly tags: readonly string[];
  readonly pool?: string;
  readonly lock?: string;
  /** State of the HA resource; absent when HA does not manage the guest. */
  readonly ha?: string;
}
