import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { gravest, raisedTo } from '../../core/plan/effect.ts';
import { type Condition, digestAfter, type Params, type PlanDraft, type Step } from '../../core/plan/plan.ts';
import { plainText } from '../../core/text/text.ts';
import { networksOf } from '../../proxmox/guest/disks.ts';
import { type Guest, listGuests, readGuest } from '../../proxmox/guest/guests.ts';
import { listStorages } from '../../proxmox/storage.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { ADDRESS_READS, bothReads, CLOUD_INIT, GUEST_READS, LIST_READS, PLACE_READS } from './lib/api.ts';
import { appliedToo, destroying } from './lib/doomed.ts';
import { configRequest } from './lib/guest-request.ts';
import { demandOf, refuseTooLarge } from './lib/limits.ts';
import { alreadySo, placeOf, reportOf } from './lib/outcome.ts';
import { changed, guestName, medium, notes, poolName, tags, vmid } from './lib/schemas.ts';
import { slotsOf } from './lib/slots.ts';
import { about, label, pendingText, readTarget, refuseLocked, type Target } from './lib/target.ts';
import { thinWarnings } from './provision/choose/storage.ts';
import { cloudInit } from './provision/cloud-init/cloud-init.ts';
import { disk, disksFacet } from './update/disks.ts';
import { type Facet, joined } from './update/facet.ts';
import { cloudInitFacet, isoFacet } from './update/media.ts';
import { nic, nicsFacet } from './update/nics.ts';
import { optionsFacet } from './update/options.ts';
import { tagsAndPoolFacet } from './update/tags-and-pool.ts';

const input = z.strictObject({
  vmid,
  new_name: guestName.optional(),
  notes: notes.optional(),
  add_tags: tags.optional(),
  remove_tags: tags.optional(),
  pool: poolName.optional().describe('none: out of its pool'),
  onboot: z.boolean().optional(),
  protection: z.boolean().optional(),
  agent: z.boolean().optional(),
  boot: z.array(z.string()).min(1).max(20).optional().describe('Devices in order, like scsi0'),
  iso: medium.optional().describe('Into the CD drive; none takes it out'),
  cloud_init: cloudInit.optional(),
  disks: z.array(disk).min(1).max(10).optional(),
  nics: z.array(nic).min(1).max(10).optional(),
});
type Args = z.output<typeof input>;

/** POST …/qemu/{vmid}/config or PUT …/lxc/{vmid}/config with what differs, then a request for each disk and for the pool. */
export const updateVm = defineOperation({
  name: 'update_vm',
  title: 'Change a VM or container',
  effect: 'change',
  toolset: 'everyday',
  description:
    'Changes name, notes, tags, pool, options, CD, cloud-init, disks and NICs of a VM or container; only what differs. For cores and memory use set_resources.',
  input,
  byName: { vmid: 'name' },
  output: changed.extend({ applied: z.array(z.string()).optional(), pending: z.array(z.string()).optional() }),
  reads: GUEST_READS,
  mayRead: [...PLACE_READS, ...LIST_READS, ...ADDRESS_READS, ...bothReads('snapshot/{snapname}/config'), 'GET /pools'],
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/config': ['description', 'digest'],
    'PUT /nodes/{node}/lxc/{vmid}/config': ['description', 'digest'],
  },
  maySend: {
    'POST /nodes/{node}/qemu/{vmid}/config': [
      ...['name', 'tags', 'onboot', 'protection', 'agent', 'boot', 'delete', 'force'],
      ...CLOUD_INIT,
      ...(['net', 'scsi', 'virtio', 'ide', 'sata'] as const).flatMap(slotsOf),
      'ide2=local:iso/cd.iso,media=cdrom',
    ],
    'PUT /nodes/{node}/lxc/{vmid}/config': ['hostname', 'tags', 'onboot', 'protection', 'delete', ...slotsOf('net')],
    'PUT /nodes/{node}/qemu/{vmid}/resize': ['disk', 'size', 'digest'],
    'PUT /nodes/{node}/lxc/{vmid}/resize': ['disk', 'size', 'digest'],
    'POST /nodes/{node}/qemu/{vmid}/move_disk': ['disk', 'storage', 'format', 'delete', 'digest'],
    'POST /nodes/{node}/lxc/{vmid}/move_volume': ['volume', 'storage', 'delete', 'digest'],
    'PUT /nodes/{node}/qemu/{vmid}/cloudinit': [],
    'PUT /pools': ['poolid', 'vms', 'allow-move', 'delete'],
  },
  example: { vmid: 105, add_tags: ['ci'], notes: 'builds the nightly images' },
  async plan(ctx, args): Promise<PlanDraft> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest } = target;
    const { moves, all } = await facetsOf(ctx, target, args);
    if (all.changes.length === 0) return alreadySo(target, `${label(guest)} is so already`);
    const plan = planOf(target, all);
    // Pools are outside of the guest's configuration, which alone is locked.
    if (plan.steps.some(({ id }) => id !== 'pool')) refuseLocked(target);
    return {
      ...plan,
      ...(moves ? { moves } : {}),
      warnings: [...plan.warnings, ...(await namesakes(ctx, target, args)), ...(await thin(ctx, target, all))],
    };
  },
  async report(api, run) {
    const guest = await readGuest(api, placeOf(run)).catch(() => undefined);
    const { changes = [] } = run.plan;
    const waiting = guest?.pending.filter(({ key }) => changes.some(({ keys }) => keys.includes(key))) ?? [];
    const applied = changes.filter(({ keys }) => !waiting.some(({ key }) => keys.includes(key)));
    const report = await reportOf(api, run);
    return {
      ...report,
      name: guest?.identity.name || report.name,
      applied: applied.map(({ keys, text }) => [text, ...(guest ? newMacs(guest, run.plan, keys) : [])].join(', ')),
      ...(waiting.length > 0 ? { pending: waiting.map((p) => `${pendingText([p])} at the next reboot_vm`) } : {}),
    };
  },
});

/** Proxmox lets several guests have one name, and then only a VMID tells them apart. */
async function namesakes({ api }: OperationContext, { guest }: Target, { new_name: name }: Args): Promise<string[]> {
  if (name === undefined) return [];
  const same = (await listGuests(api)).filter((row) => row.vmid !== guest.at.vmid && row.name.toLowerCase() === name.toLowerCase());
  return same.map(({ vmid }) => `guest ${vmid} is called ${name} too: only a VMID tells them apart`);
}

async function thin(ctx: OperationContext, { guest: { at } }: Target, { space }: Facet): Promise<string[]> {
  return Object.keys(space).length === 0 ? [] : thinWarnings(ctx, at.node, await listStorages(ctx.api, at.node), space);
}

/** Proxmox chooses the MAC of a new NIC, and what is outside (DHCP, firewalls) needs it. */
function newMacs({ at, config }: Guest, { before }: PlanDraft, keys: readonly string[]): string[] {
  const added = networksOf(at.type, config).filter(({ slot }) => keys.includes(slot) && before?.[slot] === null);
  return added.map(({ mac }) => `MAC ${mac ?? 'unknown'}`);
}

async function facetsOf(ctx: OperationContext, target: Target, args: Args) {
  const asked = Object.keys(args).filter((key) => key !== 'vmid' && args[key as keyof Args] !== undefined);
  if (asked.length === 0) fail('invalid_arguments', 'update_vm needs at least one change.');
  refuseBootOfLeaving(args);
  const { guest } = target;
  // The quota is checked before a storage is looked at.
  await refuseTooLarge(ctx, demandOf(guest, { diskGib: guest.sizes.diskGib + grownBy(guest, args) }), undefined);
  const createdHere = await ctx.createdHere(guest.identity);
  const place = await tagsAndPoolFacet(ctx, target, args, createdHere);
  const facets = present(
    optionsFacet(target, args, createdHere),
    place,
    args.iso !== undefined && (await isoFacet(ctx, target, args.iso)),
    args.cloud_init && (await cloudInitFacet(ctx, target, args.cloud_init)),
    args.nics && (await nicsFacet(ctx, target, args.nics)),
    args.disks && (await disksFacet(ctx, target, args.disks, args.protection ?? guest.identity.protection)),
  );
  return { moves: place.moves, all: joined(facets) };
}

/** Proxmox takes a device that goes out of the boot order. @throws invalid_arguments */
function refuseBootOfLeaving({ boot = [], disks = [], nics = [] }: Args): void {
  const taken = disks.flatMap(({ disk, action }) => (action === 'detach' || action === 'delete' ? (disk ?? []) : []));
  const removed = nics.flatMap(({ nic, remove }) => (remove ? (nic ?? []) : []));
  const both = boot.find((device) => [...taken, ...removed].includes(device));
  if (both !== undefined) fail('invalid_arguments', `${plainText(both, 40)} is in boot, and the same call takes it from the guest.`);
}

function grownBy(guest: Guest, { disks = [] }: Args): number {
  const now = (slot: string | undefined) => guest.disks.find((d) => d.slot === slot)?.sizeGib ?? 0;
  return disks.reduce((sum, { disk, size_gb: gib }) => sum + Math.max(0, gib === undefined ? 0 : gib - now(disk)), 0);
}

function planOf(target: Target, all: Facet): PlanDraft {
  const { guest } = target;
  const { at } = guest;
  const of = label(guest);
  const config: Condition = { kind: 'config', ...at, has: all.has, parts: all.parts };
  const params: Params = { ...all.set, ...(all.remove.length > 0 ? { delete: all.remove.join(',') } : {}) };
  const isConfigured = Object.keys(params).length > 0;
  const change = configRequest(at, { id: 'config', params, digest: guest.digest, purpose: `change ${of}`, proof: config });
  const steps: Step[] = isConfigured ? [change] : [];
  for (const step of all.steps) steps.push(step(steps.some((s) => s.kind === 'request') ? digestAfter(steps) : guest.digest));
  const doomed = appliedToo(target, Object.keys(all.after));
  const plan: PlanDraft = {
    ...about(target),
    summary: `Change ${of}: ${all.changes.map(({ text }) => text).join(', ')}`,
    changes: all.changes,
    ...raisedTo(gravest(...all.raises.map(({ effect }) => effect)), ...new Set(all.raises.map(({ because }) => because))),
    steps,
    expected: [...(isConfigured ? [config] : []), ...all.expected],
    ...(all.growGib > 0 ? { demand: demandOf(guest, { diskGib: guest.sizes.diskGib + all.growGib }) } : {}),
    ...(Object.keys(all.space).length > 0 ? { space: all.space } : {}),
    warnings: present(...all.warnings, doomed.warning),
    before: all.before,
    after: all.after,
    undo: all.undo.join('; '),
  };
  return destroying(plan, doomed, at, 'the change also');
}
