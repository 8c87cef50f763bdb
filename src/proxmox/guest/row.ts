import type { GuestType } from '../../core/guest.ts';
import { gibOf, isSet, mibOf } from '../../core/text/sizes.ts';
import { itemsOf, textOf } from './property-strings.ts';

/** The figures that the lists of the cluster and of a node have alike. They may come as text. */
export interface Figures {
  maxmem?: number;
  maxdisk?: number;
  cpu?: number;
  mem?: number;
  disk?: number;
  uptime?: number;
}

/** Texts may come as JSON numbers: a guest can be called 2024. */
export interface ResourceRow extends Figures {
  vmid: number | string;
  type: string;
  node: string | number;
  name?: string | number;
  status?: string;
  template?: number | string;
  maxcpu?: number;
  tags?: string | number;
  pool?: string | number;
  lock?: string;
  hastate?: string;
}

/**
 * A guest without a name is listed as `VM 108` or `CT108`, and so is a new one for up to 10 s. Neither is a name. (A VM cannot be called so,
 * because names have no spaces.)
 */
export function givenName({ type, vmid, name }: { type: string; vmid: number | string; name?: unknown }): string {
  const text = textOf(name) ?? '';
  // Most names begin otherwise, and a fleet has thousands.
  if (!text.startsWith(type === 'qemu' ? 'VM ' : 'CT')) return text;
  return text === (type === 'qemu' ? `VM ${vmid}` : `CT${vmid}`) ? '' : text;
}

/** Tags as the rows of one list have them: most guests of a fleet have those of many others. */
export function tagsByText(): (text: string | undefined) => string[] {
  const known = new Map<string | undefined, string[]>();
  return (text) => {
    const tags = known.get(text) ?? tagsOf(text);
    known.set(text, tags);
    return tags;
  };
}

/**
 * One guest as `/cluster/resources` shows it: a cache that follows a change by up to 10 s. Several calls share a row. Written out, because a
 * fleet has thousands of rows and few of them are shown. In a class V8 keeps room for the fields that most rows have.
 */
export class GuestRow {
  readonly vmid: number;
  readonly type: GuestType;
  readonly node: string;
  /** Empty while Proxmox does not show it yet. */
  readonly name: string;
  /** `running`, `stopped`, `paused` or `unknown`. */
  readonly status: string;
  readonly template: boolean;
  readonly tags: readonly string[];
  /** vCPUs, MiB, GiB of the boot disk; absent while Proxmox does not show them yet. */
  declare readonly cpus?: number;
  declare readonly memoryMib?: number;
  declare readonly diskGib?: number;
  /** The use now: the part of its own vCPUs, MiB, GiB of a container's root, seconds since its start. As absent as the sizes. */
  declare readonly cpu?: number;
  declare readonly memoryUsedMib?: number;
  declare readonly diskUsedGib?: number;
  declare readonly uptimeSeconds?: number;
  declare readonly pool?: string;
  declare readonly lock?: string;
  /** State of the HA resource; absent when HA does not manage the guest. */
  declare readonly ha?: string;

  constructor(r: ResourceRow, type: GuestType, tags: (text: string | undefined) => string[]) {
    this.vmid = Number(r.vmid);
    this.type = type;
    this.node = textOf(r.node) ?? '';
    this.name = givenName(r);
    this.status = textOf(r.status) ?? 'unknown';
    this.template = isSet(r.template);
    this.tags = tags(textOf(r.tags));
    addGauges(this, r, r.maxcpu);
    if (r.pool) this.pool = String(r.pool);
    if (r.lock) this.lock = String(r.lock);
    if (r.hastate) this.ha = String(r.hastate);
  }
}

type Gauge = 'cpus' | 'memoryMib' | 'diskGib' | 'cpu' | 'memoryUsedMib' | 'diskUsedGib' | 'uptimeSeconds';
type Gauges = { -readonly [K in Gauge]?: number };

/** Figures of a row of the cluster's or a node's list, as far as it has them. */
export function gaugesOf(row: Figures & { cpus?: number }): Gauges {
  const gauges: Gauges = {};
  addGauges(gauges, row, row.cpus);
  return gauges;
}

function addGauges(to: Gauges, row: Figures, cpus: number | undefined): void {
  if (cpus !== undefined) to.cpus = Number(cpus);
  if (row.maxmem !== undefined) to.memoryMib = mibOf(row.maxmem);
  if (row.maxdisk !== undefined) to.diskGib = gibOf(row.maxdisk);
  if (row.cpu !== undefined) to.cpu = Number(row.cpu);
  if (row.mem !== undefined) to.memoryUsedMib = mibOf(row.mem);
  if (row.disk !== undefined) to.diskUsedGib = gibOf(row.disk);
  if (row.uptime !== undefined) to.uptimeSeconds = Number(row.uptime);
}

/** Tags are separated by `;` (commas and spaces are accepted by Proxmox too). */
export function tagsOf(text: string | undefined): string[] {
  return itemsOf(text);
}
