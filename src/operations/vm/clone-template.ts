import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { type Condition, digestAfter, type Params, type PlanDraft, type RequestStep, type Step } from '../../core/plan/plan.ts';
import { bootDisk, copiedGib } from '../../proxmox/guest/disks.ts';
import { type Guest, type GuestAt, type GuestRow, listGuests, memoryOf, readGuest } from '../../proxmox/guest/guests.ts';
import { agentEnabled } from '../../proxmox/guest/property-strings.ts';
import { listNodes } from '../../proxmox/nodes.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { ADDRESS_READS, CLOUD_INIT, GUEST_READS, LIST_READS, NODE_READS, PLACE_READS } from './lib/api.ts';
import { configRequest, guestRequest, resizeRequest, startSteps } from './lib/guest-request.ts';
import { nodeWarnings, refuseTooLarge } from './lib/limits.ts';
import { addressesInUse } from './lib/static-addresses.ts';
import { label, refuseLocked, refuseRunning } from './lib/target.ts';
import { addressWait, copyingTo } from './provision/address-wait.ts';
import { onlineNode } from './provision/choose/node.ts';
import { cloneConfig } from './provision/clone/config.ts';
import { type CloneArgs, type CloneOne, cloneInput } from './provision/clone/input.ts';
import { type CloneMethod, cloneMethod } from './provision/clone/method.ts';
import { addressesOfCloudInit } from './provision/cloud-init/warnings.ts';
import { findExisting, planForExisting } from './provision/existing.ts';
import { made, madeReport } from './provision/made.ts';
import { newGuest } from './provision/new-guest.ts';
import { argsOfEach, newGuests, planEachNew, togetherNew } from './provision/several/several-new.ts';

/** Longest copy or move of disks (s). */
const COPY_SECONDS = 6 * 3600;
const LINK_SECONDS = 600;

/** POST …/qemu/{source}/clone, then migrate, config, resize and start as requested. */
export const cloneTemplate = defineOperation({
  name: 'clone_template',
  title: 'Clone a template or VM',
  effect: 'change',
  toolset: 'everyday',
  description:
    'Creates a VM from a template or another VM, and can configure and start it in the same call. Returns an existing VM of the same name.',
  input: cloneInput,
  byName: { source_vmid: 'source_name' },
  output: made,
  reads: [...LIST_READS, ...GUEST_READS, ...PLACE_READS],
  mayRead: [...NODE_READS, ...ADDRESS_READS, 'GET /pools'],
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/clone': ['newid', 'name', 'full', 'storage', 'format', 'target', 'pool', 'description'],
    'POST /nodes/{node}/qemu/{vmid}/config': ['cores', 'memory', 'balloon', 'tags', 'onboot', 'protection', 'digest', ...CLOUD_INIT],
    'PUT /nodes/{node}/qemu/{vmid}/resize': ['disk', 'size', 'digest'],
    'POST /nodes/{node}/qemu/{vmid}/status/start': [],
  },
  maySend: {
    'POST /nodes/{node}/qemu/{vmid}/migrate': ['target', 'targetstorage'],
    'POST /nodes/{node}/qemu/{vmid}/move_disk': ['disk', 'storage', 'delete', 'format'],
  },
  reserves: newGuests,
  example: { source_vmid: 9000, name: 'example' },
  async plan(ctx, args): Promise<PlanDraft> {
    if (args.names) return togetherNew(await planEachNew(ctx, argsOfEach(args), (own, one) => planOne(own, one, args)), 'Clone');
    return planOne(ctx, args, args);
  },
  report: madeReport,
});

async function planOne(ctx: OperationContext, args: CloneOne, call: CloneArgs): Promise<PlanDraft> {
  const guests = await listGuests(ctx.api);
  const row =
    guests.find((g) => g.vmid === args.source_vmid) ?? fail('guest_not_found', `No guest with VMID ${args.source_vmid} is visible.`);
  const existing = await findExisting(ctx, guests, { name: args.name, vmid: args.vmid, source: args.source_vmid });
  if (existing) return planForExisting(ctx, 'clone_template', existing, { args, call });
  if (row.type === 'lxc')
    fail('not_possible', `Guest ${row.vmid} is a container. Only VMs can be cloned.`, {
      hint: 'Call list_vms for the VM templates.',
    });
  return planClone(ctx, args, row, guests);
}

async function planClone(ctx: OperationContext, args: CloneOne, row: GuestRow, guests: readonly GuestRow[]): Promise<PlanDraft> {
  const start = args.start || args.wait_for !== undefined;
  const [source, nodes, version] = await Promise.all([readGuest(ctx.api, row), listNodes(ctx.api), ctx.api.version()]);
  refuseLocked({ guest: source });
  const node = onlineNode(nodes, args.target_node ?? row.node);
  const grown = growth(source, args.disk_gb);
  const growGib = grown?.by ?? 0;
  const own = await newGuest(ctx, args);
  const { vmid, pool } = own;
  const sizes = {
    cpu: (args.cores ?? Number(source.config.cores ?? 1)) * Number(source.config.sockets ?? 1),
    memoryMib: args.memory ?? memoryOf(source.config),
    diskGib: copiedGib(source.disks) + growGib,
  };
  const demand = own.demand(sizes);
  await refuseTooLarge(ctx, demand, node);
  const method = await cloneMethod(ctx, source, { ...args, pool, vmid }, growGib);
  if (method.full && source.config.tpmstate0 !== undefined) {
    refuseRunning(source, row.status === 'running', 'A VM with a TPM is copied while it is stopped.');
  }
  const cloneName = args.name ?? `Copy-of-VM-${source.identity.name || source.at.vmid}`;
  const name = `${cloneName} (${vmid})`;
  const config = cloneConfig(source, args, version);
  const at = { vmid, type: 'qemu', node: method.node } as const;
  const exists: Condition = { kind: 'config', ...at, has: { name: cloneName, lock: null } };
  const given = { newid: vmid, name: cloneName, ...defined({ pool, description: args.description }) };
  const steps: Step[] = copySteps(source, method, { at, name, given, running: row.status === 'running' });
  if (Object.keys(config.params).length > 0) {
    const proof: Condition | undefined = Object.keys(config.proof).length > 0 ? { kind: 'config', ...at, has: config.proof } : undefined;
    steps.push(configRequest(at, { id: 'config', params: config.params, digest: digestAfter(steps), purpose: `configure ${name}`, proof }));
  }
  const large: Condition | undefined = grown && { kind: 'disk', ...at, disk: grown.disk, atLeastGib: grown.gib };
  if (grown) {
    const { disk, gib } = grown;
    const purpose = `grow ${disk} of ${name} to ${gib} GiB`;
    steps.push(resizeRequest(at, { id: 'resize', disk, gib, digest: digestAfter(steps), purpose, proof: large }));
  }
  if (start) steps.push(...startSteps(at, name));
  const wait = args.wait_for && (await addressWait(ctx, { at, name, pool, agent: agentEnabled(source.config.agent) }));
  steps.push(...(wait?.steps ?? []));
  return {
    summary: `Clone ${label(source)} as ${name} on ${method.node} (${method.full ? 'full' : 'linked'})${start ? ', and start it' : ''}`,
    node: method.node,
    space: method.space,
    steps,
    expected: present<Condition>(exists, large, start && { kind: 'guest', ...at, is: 'running' }),
    demand,
    choices: [...own.choices, ...(args.name === undefined ? [`name: ${cloneName}`] : []), ...method.choices, ...config.choices],
    warnings: present(
      ...nodeWarnings(node),
      !source.template &&
        `the source is not a template${row.status === 'stopped' ? '' : '; a copy of a running guest is in the state of one after a power failure'}`,
      ...method.warnings,
      ...config.warnings,
      ...(wait?.warnings ?? []),
      ...(await addressesInUse(ctx, addressesOfCloudInit(args.cloud_init), guests)),
    ),
    ...(source.tags.length > 0 && !args.tags?.length ? { facts: { tags: source.tags } } : {}),
    after: {
      name: cloneName,
      vmid,
      node: method.node,
      cpus: sizes.cpu,
      memory_mb: sizes.memoryMib,
      disk_gb: Math.round(sizes.diskGib * 1000) / 1000,
      full_clone: method.full,
      ...defined({ pool }),
      status: start ? 'running' : 'stopped',
    },
    ...own.wayBack,
  };
}

/** The boot disk in its new size, and the GiB that it grows by; undefined where it stays. @throws not_possible for a smaller one */
function growth(source: Guest, wanted: number | undefined): { disk: string; gib: number; by: number } | undefined {
  if (wanted === undefined) return undefined;
  const boot = bootDisk(source.config, source.disks);
  if (!boot) fail('not_possible', `${label(source)} has no disk that could grow.`, { hint: 'Leave disk_gb out.' });
  const now = boot.sizeGib ?? 0;
  if (wanted < now)
    fail('not_possible', `disk_gb ${wanted} is smaller than ${boot.slot} (${now} GiB). Disks only grow.`, {
      hint: `Ask for at least ${Math.ceil(now)}.`,
    });
  return wanted > now ? { disk: boot.slot, gib: wanted, by: wanted - now } : undefined;
}

/**
 * At most two copies write to a storage at once. Proxmox locks a running source for the whole copy and waits a second for that lock, so its
 * copies run one after another.
 */
function turnOf(source: Guest, { full, storage }: CloneMethod, running: boolean): Pick<RequestStep, 'atMost'> {
  const own = source.disks.flatMap(({ media, storage: one }) => (media === 'disk' && one !== undefined ? [one] : []));
  const targets = storage === undefined ? own : [storage];
  const copies = full ? Object.assign({}, ...targets.map((one) => copyingTo(one).atMost)) : {};
  return { atMost: { ...copies, ...(running ? { [`copies of ${source.at.vmid}`]: 1 } : {}) } };
}

interface Copying {
  /** The clone, where it is in the end, and its name with the VMID. */
  at: GuestAt;
  name: string;
  /** Parameters of the clone request beside those of the method. */
  given: Params & { name: string };
  running: boolean;
}

/** The clone itself, whose task bears the VMID of the source, and the move to another node where it needs one. */
function copySteps(source: Guest, method: CloneMethod, { at, name, given, running }: Copying): Step[] {
  const { full, storage, format, target } = method;
  const born = { ...at, node: target ?? source.at.node };
  const params: Params = { ...given, full, ...defined({ storage, format, target }) };
  const clone = guestRequest(source.at, {
    ...{ id: 'clone', path: '/clone', params, purpose: `clone ${label(source)} as ${name}` },
    ...{ task: 'qmclone', seconds: full ? COPY_SECONDS : LINK_SECONDS },
    ...turnOf(source, method, running),
    proof: { kind: 'config', ...born, has: { name: given.name, lock: null } },
  });
  const moves = diskSteps(source, method, at, name);
  if (!method.migrate) return [clone, ...moves];
  const { to, targetstorage } = method.migrate;
  const move = guestRequest(born, {
    ...{ id: 'migrate', path: '/migrate', params: { target: to, ...defined({ targetstorage }) } },
    ...{ purpose: `move ${name} to ${to}`, task: 'qmigrate', seconds: COPY_SECONDS },
    proof: { kind: 'location', ...at, node: to },
  });
  return [clone, move, ...moves];
}

/** Each disk onto the storage that was requested, where the clone could not go at once. */
function diskSteps(source: Guest, { moveDisks }: CloneMethod, at: GuestAt, name: string): Step[] {
  if (!moveDisks) return [];
  const { slots, storage, format } = moveDisks;
  return slots.map((disk) =>
    guestRequest(at, {
      ...{ id: `move-${disk}`, path: '/move_disk', params: { disk, storage, delete: true, ...defined({ format }) } },
      ...{ purpose: `move ${disk} of ${name} to ${storage}`, ...copyingTo(storage), task: 'qmmove', seconds: COPY_SECONDS },
      proof: { kind: 'disk', ...at, disk, storage, atLeastGib: source.disks.find((d) => d.slot === disk)?.sizeGib ?? 0 },
    }),
  );
}
