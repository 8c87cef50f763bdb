import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { type Condition, digestAfter, type PlanDraft, type Step } from '../../core/plan/plan.ts';
import { plainText } from '../../core/text/text.ts';
import { type GuestRow, listGuests } from '../../proxmox/guest/guests.ts';
import { isFileStorage, listStorages, placeOn, storageOf } from '../../proxmox/storage.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { ADDRESS_READS, CLOUD_INIT, GUEST_READS, LIST_READS, NODE_READS, PLACE_READS } from './lib/api.ts';
import { configRequest, createRequest, resizeRequest, startSteps } from './lib/guest-request.ts';
import { nodeWarnings, refuseTooLarge } from './lib/limits.ts';
import { addressesInUse } from './lib/static-addresses.ts';
import { sortedTags } from './lib/tags.ts';
import { addressWait, copyingTo } from './provision/address-wait.ts';
import { bootSourcesAtHand } from './provision/choose/at-hand.ts';
import { chooseBridge } from './provision/choose/bridge.ts';
import { chooseNode } from './provision/choose/node.ts';
import { chooseStorage, thinWarnings } from './provision/choose/storage.ts';
import { addressesOfCloudInit, cloudInitWarnings } from './provision/cloud-init/warnings.ts';
import { type CreateArgs, type CreateOne, createInput } from './provision/create/input.ts';
import { findMedium, importWarnings } from './provision/create/media.ts';
import { createParams, DEFAULTS, defaultCpu } from './provision/create/params.ts';
import { findExisting, planForExisting } from './provision/existing.ts';
import { made, madeReport } from './provision/made.ts';
import { newGuest } from './provision/new-guest.ts';
import { argsOfEach, newGuests, planEachNew, togetherNew } from './provision/several/several-new.ts';

const CREATE_SECONDS = 600;
/** Longest copy of a whole image into a storage (s). */
const IMPORT_SECONDS = 4 * 3600;

/** POST /nodes/{node}/qemu, then resize (of an imported image), tags and start as requested. */
export const createVm = defineOperation({
  name: 'create_vm',
  title: 'Create a VM',
  effect: 'change',
  toolset: 'everyday',
  description:
    'Creates a VM from an image or an ISO, with cloud-init if given. The plan lists defaults. Returns an existing VM of the same name. To copy a template use clone_template; without image and iso the dry run lists those available.',
  input: createInput,
  output: made,
  reads: [...LIST_READS, ...PLACE_READS],
  mayRead: [...NODE_READS, ...ADDRESS_READS, 'GET /pools', ...GUEST_READS],
  sends: {
    'POST /nodes/{node}/qemu': [
      ...['vmid', 'name', 'pool', 'description', 'onboot', 'protection', 'cores', 'sockets', 'cpu', 'memory', 'ostype'],
      ...['bios', 'machine', 'scsihw', 'agent', 'tpmstate0=local:1'],
      ...['boot', 'net0', 'scsi0=local:0,import-from=local:import/image.qcow2', 'efidisk0=local:1', 'ide2=local:iso/cd.iso,media=cdrom'],
      ...['ide0=local:cloudinit', 'serial0', ...CLOUD_INIT],
    ],
    'PUT /nodes/{node}/qemu/{vmid}/resize': ['disk', 'size', 'digest'],
    'POST /nodes/{node}/qemu/{vmid}/config': ['tags', 'digest'],
    'POST /nodes/{node}/qemu/{vmid}/status/start': [],
  },
  reserves: newGuests,
  example: { name: 'example', disk_gb: 1, storage: 'local-lvm' },
  async plan(ctx, args): Promise<PlanDraft> {
    if (args.names) return togetherNew(await planEachNew(ctx, argsOfEach(args), (own, one) => planOne(own, one, args)), 'Create');
    const { name = fail('invalid_arguments', 'create_vm needs name, or names for several.') } = args;
    return planOne(ctx, { ...args, name }, args);
  },
  report: madeReport,
});

async function planOne(ctx: OperationContext, args: CreateOne, call: CreateArgs): Promise<PlanDraft> {
  const guests = await listGuests(ctx.api);
  const existing = await findExisting(ctx, guests, args);
  return existing ? planForExisting(ctx, 'create_vm', existing, { args, call }) : planNew(ctx, args, guests);
}

async function planNew(ctx: OperationContext, args: CreateOne, guests: readonly GuestRow[]): Promise<PlanDraft> {
  const own = await newGuest(ctx, args);
  const { vmid, pool } = own;
  const start = args.start_on_create || args.wait_for !== undefined;
  const { node, choices: nodeChoices } = await chooseNode(ctx, args.node);
  const [storages, version, bridge] = await Promise.all([
    listStorages(ctx.api, node.node),
    ctx.api.version(),
    chooseBridge(ctx.api, node.node, args.net_bridge, 'net_bridge'),
  ]);
  const cpu = { cores: args.cores ?? DEFAULTS.cores, sockets: args.sockets ?? DEFAULTS.sockets };
  const shelf = { api: ctx.api, node: node.node, storages };
  const iso = args.iso && (await findMedium(shelf, 'iso', args.iso)).volid;
  const image = args.image ? await findMedium(shelf, 'image', args.image) : undefined;
  const imported = image ? importWarnings(image, node.node, guests) : [];
  const diskGib = args.disk_gb ?? Math.max(DEFAULTS.diskGib, Math.ceil(image?.sizeGib ?? 0));
  if (image && diskGib < image.sizeGib) {
    fail('not_possible', `disk_gb ${diskGib} is smaller than the image (${image.sizeGib.toFixed(2)} GiB). Disks only grow.`, {
      hint: `Ask for at least ${Math.ceil(image.sizeGib)}.`,
    });
  }
  const memoryMib = args.memory ?? DEFAULTS.memoryMib;
  const demand = own.demand({ cpu: cpu.cores * cpu.sockets, memoryMib, diskGib });
  await refuseTooLarge(ctx, demand, node);
  const { storage, choices: storageChoices } = await chooseStorage(ctx, {
    node: node.node,
    storages,
    wanted: args.storage,
    ...(image ? { own: { storage: storageOf(image.volid), of: 'the image' } } : {}),
    needGib: diskGib,
  });
  const cpuType = args.cpu ?? defaultCpu(version);
  const request = createParams({ args, storage, image, iso, diskGib, bridge: bridge.bridge, cpu, cpuType, pool, version });
  const at = { vmid, type: 'qemu', node: node.node } as const;
  const name = `${args.name} (${vmid})`;
  const config = (has: Record<string, string | null>): Condition => ({ kind: 'config', ...at, has });
  const exists = config({ name: args.name, lock: null });
  const large: Condition = { kind: 'disk', ...at, disk: 'scsi0', atLeastGib: diskGib };
  const steps: Step[] = [
    createRequest(at, {
      ...{ id: 'create', params: request.params, purpose: `create ${name} on ${node.node}`, proof: exists },
      ...{ task: 'qmcreate', seconds: image ? IMPORT_SECONDS : CREATE_SECONDS },
      ...(image ? copyingTo(storage.storage) : {}),
    }),
  ];
  if (image && diskGib > image.sizeGib) {
    const purpose = `grow the disk of ${name} to ${diskGib} GiB`;
    steps.push(resizeRequest(at, { id: 'resize', disk: 'scsi0', gib: diskGib, digest: digestAfter(steps), purpose, proof: large }));
  }
  const tagText = sortedTags(args.tags ?? []);
  if (tagText) {
    // Not in the create request: 9.2 checks tags there before the guest is in its pool, and refuses tokens of a pool.
    const tagged = { tags: tagText };
    steps.push(
      configRequest(at, { id: 'tags', params: tagged, digest: digestAfter(steps), purpose: `tag ${name}`, proof: config(tagged) }),
    );
  }
  if (start) steps.push(...startSteps(at, name));
  const wait = args.wait_for && (await addressWait(ctx, { at, name, pool, agent: true }));
  steps.push(...(wait?.steps ?? []));
  const bootable = args.iso !== undefined || image !== undefined;
  const space = { [placeOn(node.node, storage)]: diskGib };
  return {
    summary: `Create ${name} on ${node.node}: ${cpu.cores * cpu.sockets} vCPUs, ${memoryMib} MiB, ${diskGib} GiB on ${storage.storage}${start ? ', and start it' : ''}`,
    node: node.node,
    space,
    steps,
    expected: present<Condition>(exists, large, start && { kind: 'guest', ...at, is: 'running' }),
    demand,
    choices: present(
      ...own.choices,
      ...nodeChoices,
      ...storageChoices,
      ...bridge.choices,
      image && image.volid !== args.image && `image: ${plainText(image.volid, 200)}`,
      iso !== args.iso && `iso: ${plainText(iso ?? '', 200)}`,
      ...request.choices,
    ),
    warnings: present(
      ...nodeWarnings(node, memoryMib),
      ...(wait?.warnings ?? []),
      !bootable && `nothing to boot: neither image nor iso was given; ${await bootSourcesAtHand(shelf, guests)}`,
      args.ostype === 'win11' &&
        isFileStorage(storage.type) &&
        `the state of its TPM on ${storage.storage} is a raw file, so the VM may not be snapshotted`,
      args.ostype === 'win11' && args.bios === 'seabios' && 'the setup of Windows 11 asks for UEFI (bios: ovmf)',
      ...(args.cloud_init ? cloudInitWarnings(args.cloud_init, request.params) : []),
      ...(await addressesInUse(ctx, addressesOfCloudInit(args.cloud_init), guests)),
      ...imported,
      image && !args.cloud_init && 'no cloud_init was given: a cloud image then has no user who can log in',
      args.cloud_init && !image && 'cloud-init only works in images that bring it; an installer ISO ignores it',
      ...(await thinWarnings(ctx, node.node, [storage], space)),
    ),
    after: {
      name: args.name,
      vmid,
      node: node.node,
      ...cpu,
      memory_mb: memoryMib,
      disk_gb: diskGib,
      storage: storage.storage,
      bridge: bridge.bridge,
      ...defined({ pool, tags: tagText || undefined }),
      status: start ? 'running' : 'stopped',
    },
    ...own.wayBack,
  };
}
