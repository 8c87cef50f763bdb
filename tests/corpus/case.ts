import type { GuestSpec } from '../helpers/described/index.ts';

/** What a plan of one change has to be: a plan with steps (left out), `already so`, or the code of a refusal. */
export type Outcome =
  | 'existing'
  | 'guest_state'
  | 'guest_running'
  | 'guest_protected'
  | 'locked'
  | 'not_possible'
  | 'storage_unavailable'
  | 'ambiguous';
export type Change = 'start' | 'stop' | 'set' | 'delete' | 'clone';

/**
 * One guest configuration, written after the shapes that public reports, forums and documentation show; every expected value is written by
 * hand, none is computed by the product.
 */
export interface Case {
  what: string;
  spec: GuestSpec;
  /**
   * Every disk: slot, volume, owner (`own`, `host`, `none`, or the VMID of another guest), kind, size in GiB (`-` where the configuration
   * tells none).
   */
  disks: string[];
  /** vCPUs; null for a container without a limit. Default: 1, as Proxmox takes it. */
  cpu?: number | null;
  /** MiB. Default: 512, as Proxmox takes it. */
  memory?: number;
  /** GiB of the guest's own attached data disks on storages together, as quotas count them. */
  sum: number;
  /** GiB that a full copy takes, where it also copies volumes of other guests. */
  copied?: number;
  /** Changes that are not simply planned. */
  but?: Partial<Record<Change, Outcome>>;
  /** Destroyed with the guest beside its own disks: what is pending, saved memory. */
  alsoFreed?: string[];
  /** Other fields that get_vm has to show. */
  shows?: object;
}
