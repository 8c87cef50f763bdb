import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { asError } from '../../core/errors/errors.ts';
import { oncePer } from '../../core/once-per.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { mibOf } from '../../core/text/sizes.ts';
import { plainText } from '../../core/text/text.ts';
import { type Addresses, addressesFrom, hasInside, type Inside } from '../../proxmox/guest/addresses.ts';
import { type Disk, networksOf } from '../../proxmox/guest/disks.ts';
import { type Guest, type GuestAt, type GuestStatus, readGuest, readStatus } from '../../proxmox/guest/guests.ts';
import type { Place } from '../../proxmox/guest/places.ts';
import { readSnapshots, type Snapshots } from '../../proxmox/guest/snapshots.ts';
import { defineOperation } from '../define.ts';
import { ADDRESS_READS, DETAIL_READS, GUEST_READS } from './lib/api.ts';
import { atKnownPlace } from './lib/known-places.ts';
import { vmid } from './lib/schemas.ts';
import { withSize } from './lib/volumes.ts';
import { askedLately } from './show/agent-pause.ts';
import { compactConfig } from './show/config-view.ts';
import { detailsOf, FIELDS } from './show/guest-details.ts';

const output = z.looseObject({
  vmid: z.number(),
  name: z.string(),
  type: z.enum(['vm', 'container']),
  node: z.string(),
  status: z.string(),
  uptime_seconds: z.number().optional(),
  usage: z
    .object({ cpu_percent: z.number().optional(), memory_used_mb: z.number().optional(), disk_used_gb: z.number().optional() })
    .optional(),
  config: z.record(z.string(), z.unknown()),
  pending: z
    .array(
      z.object({
        key: z.string(),
        now: z.string().optional(),
        next: z.string().optional(),
        removed: z.boolean().optional(),
        destroys: z.string().optional(),
      }),
    )
    .optional(),
  disks: z.array(
    z.object({
      slot: z.string(),
      volume: z.string(),
      size_gb: z.number().optional(),
      media: z.string(),
      owner: z.string().optional(),
    }),
  ),
  networks: z.array(
    z.object({
      slot: z.string(),
      model: z.string(),
      mac: z.string(),
      bridge: z.string(),
      vlan: z.number().optional(),
      ip: z.string().optional(),
      ip6: z.string().optional(),
      trunks: z.string().optional(),
      rate: z.number().optional(),
      firewall: z.boolean().optional(),
      link_down: z.boolean().optional(),
      addresses: z.array(z.string()).optional(),
    }),
  ),
  ip_addresses: z.array(z.string()).optional(),
  other_addresses: z.array(z.string()).optional(),
  snapshots: z.number(),
  lock: z.string().optional(),
  protection: z.boolean(),
  ha: z.string().optional(),
});

/**
 * A stopped VM costs three requests. The cluster's list tells node, pool and HA. Then `pending` (all values and the digest) and the snapshots
 * (whose entry `current` tells whether it runs) are read side by side. Once the place is known, the list is left out. A guest that ran when it
 * was last seen is asked for its status and addresses at the same time.
 */
export const getVm = defineOperation({
  name: 'get_vm',
  title: 'Show a VM or container',
  effect: 'read',
  toolset: 'everyday',
  description:
    'State, use now, configuration, pending changes, disks, networks and IP addresses of one VM or container. For use over time get_metrics.',
  input: z.strictObject({
    vmid,
    fields: z.array(z.enum(FIELDS)).max(FIELDS.length).optional().describe('Adds these; changes tells who changed it'),
  }),
  byName: { vmid: 'name' },
  output,
  tables: ['snapshot_list', 'firewall_rules', 'tasks', 'changes', 'backups'],
  reads: GUEST_READS,
  mayRead: [...ADDRESS_READS, ...DETAIL_READS],
  example: { name: 'web1' },
  preview: ({ vmid }) => [
    'GET /cluster/resources?type=vm',
    `GET /nodes/{node}/{type}/${vmid}/pending`,
    `GET /nodes/{node}/{type}/${vmid}/snapshot`,
    `GET /nodes/{node}/{type}/${vmid}/status/current (when it runs)`,
    `GET /nodes/{node}/{type}/${vmid}/agent/network-get-interfaces (when it runs with the agent)`,
  ],
  async read(ctx, { vmid, fields = [] }) {
    const { row, guest, snapshots, live, ha = row.ha } = await atKnownPlace(ctx.api, vmid, (place) => look(ctx.api, place));
    const answer = live ? view(guest, snapshots, ha, row.pool, live) : stoppedView(guest, snapshots, ha, row.pool);
    return fields.length === 0 ? answer : { ...answer, ...(await detailsOf(ctx, { row, guest, snapshots }, fields)) };
  },
});

/** A stopped guest looks as before until it is changed. */
const stoppedView = oncePer(view);

/** Facts that only a running guest has. */
interface Live {
  status: GuestStatus | undefined;
  inside: Inside | undefined;
}

function view(guest: Guest, { names }: Snapshots, ha: string | undefined, pool: string | undefined, live?: Live) {
  const { identity, at } = guest;
  const status = live?.status;
  const { byMac, ...addresses }: Addresses = live ? addressesFrom(guest, live.inside) : {};
  return {
    vmid: at.vmid,
    name: plainText(identity.name, 80),
    type: at.type === 'qemu' ? ('vm' as const) : ('container' as const),
    node: at.node,
    status: live ? (status?.detail ?? 'running') : 'stopped',
    ...(guest.template ? { template: true } : {}),
    ...(status ? { uptime_seconds: status.uptimeSeconds, usage: usageOf(status) } : {}),
    config: compactConfig(guest),
    ...(guest.pending.length === 0 ? {} : { pending: pendingOf(guest) }),
    disks: guest.disks.map((d) => ({
      slot: d.slot,
      volume: plainText(d.volid, 300),
      ...(d.sizeGib === undefined ? {} : { size_gb: Math.round(d.sizeGib * 1000) / 1000 }),
      media: d.media,
      ...ownerView(d, at.vmid),
    })),
    networks: networksOf(at.type, guest.config).map((n) => {
      const found = byMac?.get(n.mac?.toLowerCase() ?? '') ?? [];
      const words = { model: plainText(n.model, 60), mac: plainText(n.mac ?? '', 40), bridge: plainText(n.bridge ?? '', 60) };
      return { ...n, ...words, ...(found.length > 0 ? { addresses: found } : {}) };
    }),
    ...addresses,
    snapshots: names.length,
    ...defined({ lock: identity.lock }),
    protection: identity.protection,
    ...defined({ ha }),
    ...(guest.tags.length === 0 ? {} : { tags: guest.tags.map((tag) => plainText(tag, 40)) }),
    ...defined({ pool }),
  };
}

function usageOf({ cpu, usedBytes, diskUsedGib }: GuestStatus) {
  return {
    ...(cpu === undefined ? {} : { cpu_percent: Math.round(1000 * cpu) / 10 }),
    ...(usedBytes > 0 ? { memory_used_mb: Math.round(mibOf(usedBytes)) } : {}),
    ...(diskUsedGib === undefined ? {} : { disk_used_gb: Math.round(10 * diskUsedGib) / 10 }),
  };
}

/**
 * Reads in one round where it is known whether the guest runs, else in two. After a change of ours the guest itself is asked, because the
 * cluster's list may show its former state, and that of HA, for 10 s.
 */
async function look(api: ProxmoxReader, { row, agent }: Pick<Place, 'row' | 'agent'>) {
  const mayRun = row.status === 'running' || row.status === 'paused' || api.changedLately?.(row.vmid) === true;
  const [guest, snapshots, early] = await Promise.all([
    readGuest(api, row),
    readSnapshots(api, row),
    mayRun ? readRunning(api, row, agent ?? true) : undefined,
  ]);
  const { running } = snapshots;
  const live = running ? (early ?? (await readRunning(api, row, hasInside(guest)))) : undefined;
  const inside = live?.inside ?? (live && early && hasInside(guest) ? await askedLately(api, row) : undefined);
  return { guest, snapshots, running, ha: (early ?? live)?.status?.ha, live: live && { ...live, inside } };
}

/** A guest may stop at any moment, and then it is read without these facts. */
async function readRunning(api: ProxmoxReader, at: GuestAt, hasAgent: boolean): Promise<Live> {
  const [status, inside] = await Promise.all([
    readStatus(api, at).catch((thrown) => {
      if (asError(thrown).code === 'guest_not_found') return undefined;
      throw thrown;
    }),
    hasAgent ? askedLately(api, at) : undefined,
  ]);
  return { status, inside };
}

function pendingOf(guest: Guest) {
  return guest.pending.map((p) => ({
    key: p.key,
    ...(p.now === undefined ? {} : { now: plainText(p.now, 200) }),
    ...(p.next === undefined ? { removed: true } : { next: plainText(p.next, 200) }),
    ...(p.destroys === undefined ? {} : { destroys: withSize(p.destroys) }),
  }));
}

/** Present only where the disk is not the guest's own: the VMID of another guest, or `host` for a path on the node. */
function ownerView(disk: Disk, vmid: number): { owner?: string } {
  if (disk.storage === '') return { owner: 'host' };
  return disk.owner === undefined || disk.owner === vmid ? {} : { owner: String(disk.owner) };
}
