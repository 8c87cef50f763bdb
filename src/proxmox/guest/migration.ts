import { defined } from '../../core/defined.ts';
import type { GetApi } from '../../core/proxmox.ts';
import { isObject } from '../../core/text/json.ts';
import { gibOf, isSet } from '../../core/text/sizes.ts';
import { type GuestAt, guestPath } from './guests.ts';

/** A volume that only the present node has, detached ones included. */
interface LocalDisk {
  volid: string;
  /** An ISO, not the drive of cloud-init. */
  cdrom: boolean;
  /** Snapshots that need it, without those whose memory it holds. */
  snapshots: string[];
  sizeGib?: number;
}

/** The facts that Proxmox tells of a move before it is requested. */
export interface Preconditions {
  /** Why a node cannot take the guest, by node, as far as Proxmox checks. */
  refused: Record<string, { storages: string[]; others: string[] }>;
  /** HA resources such as `vm:101` that a rule moves along. */
  along: string[];
  /** Of a VM; Proxmox does not look at the volumes of a container. */
  localDisks?: LocalDisk[];
  /** Options that name a device of the present node. */
  devices: string[];
  /** Options that name a device by a mapping which QEMU cannot move while it runs. */
  mapped: string[];
}

type Flag = number | boolean;
interface Blocked {
  unavailable_storages?: string[];
  'blocking-ha-resources'?: { sid?: string; cause?: string }[];
  [other: string]: unknown;
}
interface Answer {
  not_allowed_nodes?: Record<string, Blocked>;
  'not-allowed-nodes'?: Record<string, Blocked>;
  'dependent-ha-resources'?: string[];
  local_disks?: {
    volid: string;
    cdrom?: Flag;
    is_cloudinit?: Flag;
    is_vmstate?: Flag;
    referenced_in_snapshot?: Record<string, unknown>;
    size?: number;
  }[];
  local_resources?: string[];
  'mapped-resources'?: string[];
  'mapped-resource-info'?: Record<string, { 'live-migration'?: Flag }>;
}

/** `GET …/migrate`, which needs VM.Migrate like the move itself. */
export async function readPreconditions(api: GetApi, at: GuestAt): Promise<Preconditions> {
  const answer = await api.get<Answer>(`${guestPath(at)}/migrate`);
  const { local_resources: devices = [], 'mapped-resources': mapped = [], 'mapped-resource-info': info = {} } = answer;
  const blocked = answer.not_allowed_nodes ?? answer['not-allowed-nodes'] ?? {};
  const disks = answer.local_disks?.map(({ volid, size, ...row }) => ({
    volid,
    cdrom: isSet(row.cdrom) && !isSet(row.is_cloudinit),
    snapshots: isSet(row.is_vmstate) ? [] : Object.keys(row.referenced_in_snapshot ?? {}).sort(),
    ...defined({ sizeGib: gibOf(size) }),
  }));
  return {
    refused: Object.fromEntries(Object.entries(blocked).map(([node, why]) => [node, reasonsOf(why)])),
    along: answer['dependent-ha-resources'] ?? [],
    devices: devices.filter((key) => !mapped.includes(key)),
    mapped: mapped.filter((key) => !isSet(info[key]?.['live-migration'])),
    ...defined({ localDisks: disks }),
  };
}

/** Reasons that only versions after 9.2 know are shown by their names. */
function reasonsOf({ unavailable_storages: storages = [], 'blocking-ha-resources': ha = [], ...more }: Blocked) {
  const rules = ha.map(({ sid = '', cause = '' }) => `an HA rule (${cause}) about ${sid}`);
  const others = Object.entries(more).map(([name, value]) => `${name.replaceAll(/[-_]/g, ' ')} ${textOf(value)}`.trim());
  return { storages, others: [...rules, ...others] };
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  return isObject(value) ? JSON.stringify(value) : String(value ?? '');
}

/** A job that keeps a copy of a guest's disks on another node. */
export interface Replication {
  vmid: number;
  target: string;
  /** It ends with the removal of the copy. */
  ending: boolean;
}

/** `GET /cluster/replication`: jobs of guests that the token may audit. */
export async function listReplications(api: GetApi): Promise<Replication[]> {
  const rows = await api.get<{ guest?: number | string; target?: string; remove_job?: string }[]>('/cluster/replication');
  return rows.map(({ guest, target = '', remove_job }) => ({ vmid: Number(guest), target, ending: remove_job !== undefined }));
}
