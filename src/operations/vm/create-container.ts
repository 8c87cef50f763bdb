import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import type { Condition, Params, PlanDraft, Step } from '../../core/plan/plan.ts';
import { counted } from '../../core/text/text.ts';
import { type GuestAt, type GuestRow, listGuests } from '../../proxmox/guest/guests.ts';
import { formatProperties, type Properties } from '../../proxmox/guest/property-strings.ts';
import { encodeSshKeys } from '../../proxmox/guest/ssh-keys.ts';
import { listStorages, placeOn } from '../../proxmox/storage.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { secret } from '../secret.ts';
import { ADDRESS_READS, GUEST_READS, NODE_READS, PLACE_READS } from './lib/api.ts';
import { containerAddress } from './lib/container-address.ts';
import { createRequest, startSteps } from './lib/guest-request.ts';
import { refuseTooLarge } from './lib/limits.ts';
import {
  bridgeName,
  cores,
  description,
  diskGb,
  guestName,
  line,
  lines,
  memory,
  nodeName,
  poolName,
  storageName,
  tags,
  vmid,
} from './lib/schemas.ts';
import { addressesInUse, addressWarnings, staticIn } from './lib/static-addresses.ts';
import { sortedTags } from './lib/tags.ts';
import { chooseBridge } from './provision/choose/bridge.ts';
import { chooseNode } from './provision/choose/node.ts';
import { chooseStorage, thinWarnings } from './provision/choose/storage.ts';
import { containerDifferences } from './provision/create/container-differences.ts';
import { findTemplate } from './provision/create/container-template.ts';
import { findExisting, planForExisting } from './provision/existing.ts';
import { made, madeReport } from './provision/made.ts';
import { newGuest } from './provision/new-guest.ts';

const CREATE_SECONDS = 1_800;
const DEFAULTS = { cores: 1, memoryMib: 512, swapMib: 512, diskGib: 8 };

const input = z.strictObject({
  name: guestName,
  vmid: vmid.optional(),
  template: line(300).optional().describe('File name or its start (the only one)'),
  cores: cores.optional().describe('Default 1'),
  memory_mb: memory.optional().describe('Default 512'),
  disk_gb: diskGb.optional().describe('Default 8'),
  storage: storageName.optional(),
  bridge: bridgeName.optional(),
  vlan: z.int().min(1).max(4094).optional(),
  ip: line(100).optional().describe('dhcp (default) or CIDR'),
  gateway: line(60).optional(),
  ssh_keys: lines(32_768).optional().describe('Public keys of root'),
  password: secret(line(256).min(5)).optional(),
  nesting: z.boolean().default(true).describe('Needed by current systemd'),
  privileged: z.boolean().default(false),
  node: nodeName.optional(),
  pool: poolName.optional(),
  tags: tags.optional(),
  notes: description.optional(),
  onboot: z.boolean().optional(),
  start: z.boolean().default(false),
});
type Args = z.output<typeof input>;

/** POST /nodes/{node}/lxc, then start as requested. */
export const createContainer = defineOperation({
  name: 'create_container',
  title: 'Create a container',
  effect: 'change',
  toolset: 'everyday',
  description: 'Creates a container from a template, unprivileged unless asked. Returns an existing container of the same name.',
  input,
  output: made,
  reads: [...GUEST_READS, ...PLACE_READS],
  mayRead: [...NODE_READS, ...ADDRESS_READS, 'GET /pools'],
  sends: {
    'POST /nodes/{node}/lxc': [
      ...['vmid', 'hostname', 'ostemplate', 'cores', 'memory', 'swap', 'rootfs', 'net0', 'unprivileged=1', 'features', 'pool'],
    ],
  },
  maySend: {
    'POST /nodes/{node}/lxc': ['unprivileged', 'password', 'ssh-public-keys', 'tags', 'description', 'onboot'],
    'POST /nodes/{node}/lxc/{vmid}/status/start': [],
  },
  reserves: ({ name, vmid }) => ({ name, ...defined({ vmid }) }),
  example: { name: 'example-ct', disk_gb: 2, storage: 'local-lvm' },
  async plan(ctx, args): Promise<PlanDraft> {
    const guests = await listGuests(ctx.api);
    const { memory_mb: memory, bridge: net_bridge, notes: description, name, vmid } = args;
    const { cores, disk_gb, storage, vlan, pool, node, start, tags, onboot } = args;
    const existing = await findExisting(ctx, guests, { name, vmid, type: 'lxc' });
    if (!existing) return planNew(ctx, args, guests);
    const one = { name, vmid, cores, memory, disk_gb, storage, net_bridge, vlan, pool, node, start, tags, description, onboot };
    return planForExisting(ctx, 'create_container', existing, {
      args: one,
      call: args,
      more: (guest, run) => containerDifferences(guest, run, args),
    });
  },
  report: madeReport,
});

async function planNew(ctx: OperationContext, args: Args, guests: readonly GuestRow[]): Promise<PlanDraft> {
  const address = containerAddress(args.ip ?? 'dhcp', args.gateway);
  const own = await newGuest(ctx, args);
  const { vmid, pool } = own;
  const { node, choices } = await chooseNode(ctx, args.node);
  const at: GuestAt = { vmid, type: 'lxc', node: node.node };
  const [storages, bridge] = await Promise.all([listStorages(ctx.api, node.node), chooseBridge(ctx.api, node.node, args.bridge)]);
  const sizes = {
    cpu: args.cores ?? DEFAULTS.cores,
    memoryMib: args.memory_mb ?? DEFAULTS.memoryMib,
    diskGib: args.disk_gb ?? DEFAULTS.diskGib,
  };
  const demand = own.demand(sizes);
  // Proxmox gives a container all CPUs of its node where it may use more.
  await refuseTooLarge(ctx, demand, undefined);
  const place = await chooseStorage(ctx, { node: node.node, storages, wanted: args.storage, needGib: sizes.diskGib, content: 'rootdir' });
  const template = await findTemplate({ api: ctx.api, node: node.node, storages }, args.template);
  const label = `${args.name} (${vmid})`;
  const net0 = netText(address, bridge.bridge, args.vlan);
  const addresses = staticIn('ip', net0);
  const there: Condition = { kind: 'config', ...at, has: { hostname: args.name, lock: null } };
  const steps: Step[] = [
    createRequest(at, {
      id: 'create',
      params: {
        ...{ hostname: args.name, ostemplate: template.volid, cores: sizes.cpu, memory: sizes.memoryMib, swap: DEFAULTS.swapMib },
        ...{ rootfs: `${place.storage.storage}:${sizes.diskGib}`, net0, unprivileged: !args.privileged },
        ...(args.nesting ? { features: 'nesting=1' } : {}),
        ...optionalParams(args, pool),
      },
      purpose: `create container ${label} on ${node.node}`,
      ...{ task: 'vzcreate', seconds: CREATE_SECONDS, proof: there },
    }),
    ...(args.start ? startSteps(at, label) : []),
  ];
  const space = { [placeOn(node.node, place.storage)]: sizes.diskGib };
  const hasNoLogin = args.password === undefined && args.ssh_keys === undefined;
  return {
    node: node.node,
    demand,
    space,
    summary: `Create container ${label} on ${node.node} from ${template.name}: ${counted(sizes.cpu, 'core')}, ${sizes.memoryMib} MiB, ${sizes.diskGib} GiB`,
    steps,
    expected: present<Condition>(there, args.start && { kind: 'guest', ...at, is: 'running' }),
    choices: [...own.choices, ...choices, ...template.choices, ...place.choices, ...bridge.choices],
    warnings: present(
      hasNoLogin && 'neither a password nor a key is given: a login is possible through the console of Proxmox alone',
      args.privileged && 'privileged: root inside is root of the node',
      ...(await thinWarnings(ctx, node.node, [place.storage], space)),
      ...addressWarnings(addresses),
      ...(await addressesInUse(ctx, addresses, guests)),
    ),
    before: {},
    after: { name: args.name, status: args.start ? 'running' : 'stopped' },
    ...own.wayBack,
  };
}

function optionalParams(args: Args, pool: string | undefined): Params {
  return defined({
    pool,
    onboot: args.onboot,
    description: args.notes,
    // The engine put a reference in the place of the text before any plan was made.
    password: args.password,
    'ssh-public-keys': args.ssh_keys && decodeURIComponent(encodeSshKeys(args.ssh_keys)),
    tags: sortedTags(args.tags ?? []) || undefined,
  });
}

function netText(address: Properties, bridge: string, vlan: number | undefined): string {
  return formatProperties({ name: 'eth0', bridge, ...address, ...(vlan === undefined ? {} : { tag: String(vlan) }), type: 'veth' });
}
