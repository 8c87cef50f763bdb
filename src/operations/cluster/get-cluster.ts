import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { ifAllowed } from '../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { rounded } from '../../core/text/sizes.ts';
import { plainText } from '../../core/text/text.ts';
import { matches } from '../../core/text/wildcard.ts';
import { allPrivileges } from '../../proxmox/access/privileges.ts';
import { type Subject, unseenBy } from '../../proxmox/access/unseen.ts';
import { currentGuests } from '../../proxmox/guest/fresh.ts';
import type { GuestRow } from '../../proxmox/guest/guests.ts';
import { bridgesOf, listNodes, type NodeRow, noSuchNode, releaseOf } from '../../proxmox/nodes.ts';
import { defineOperation } from '../define.ts';
import { filled } from '../filled.ts';
import { LIST_READS, NODE_READS, PLACE_READS } from '../vm/lib/api.ts';
import { largestGuest, limitsView } from './lib/capacity.ts';
import { backupsOf, mediaOf, placesOf, spaceWarnings, storageView } from './lib/storages.ts';

const SECTIONS = ['nodes', 'storages', 'networks', 'media', 'templates', 'backups', 'limits', 'ha'] as const;
type Section = (typeof SECTIONS)[number];
/** Sections for which the volumes of the storages are listed, and those for which the storages are. */
const OF_VOLUMES: readonly Section[] = ['storages', 'media', 'backups'];
const OF_STORAGES: readonly Section[] = [...OF_VOLUMES, 'limits'];

/** The subjects whose invisible parts a section names. */
const SEES: Record<Section, readonly Subject[]> = {
  nodes: ['guests', 'nodes'],
  storages: ['storages', 'disks'],
  networks: ['networks'],
  media: ['storages'],
  templates: ['guests'],
  backups: ['storages', 'backups'],
  limits: ['guests'],
  ha: ['guests', 'ha'],
};

const row = z.looseObject({});
const rows = z.array(row).optional();

/** The parts of the cluster and their free space. Requests: one or two a node, and one a storage. */
export const getCluster = defineOperation({
  name: 'get_cluster',
  title: 'Show the cluster',
  effect: 'read',
  toolset: 'everyday',
  description:
    'Nodes, storages, bridges, images, ISOs, templates, backups by storage, limits and the largest guest that still fits, HA, and what this token cannot see. Call it for names before create_vm; for guests list_vms.',
  input: z.strictObject({
    sections: z.array(z.enum(SECTIONS)).min(1).optional().describe('Default: all'),
    node: filled(64).optional(),
    name: filled(128).optional().describe('A part of the names of media and templates'),
  }),
  output: z.object({
    nodes: rows,
    storages: rows,
    networks: rows,
    media: rows,
    templates: rows,
    backups: rows,
    limits: row.optional(),
    largest_guest: row.optional(),
    ha: row.optional(),
    warnings: z.array(z.string()).optional(),
    notice: z.string().optional(),
    cannot_see: z.array(z.string()),
  }),
  tables: ['nodes', 'storages', 'networks', 'media', 'templates', 'backups'],
  reads: LIST_READS,
  mayRead: [
    ...PLACE_READS,
    ...NODE_READS,
    'GET /nodes/{node}/storage/{storage}/content?content=images',
    'GET /nodes/{node}/storage/{storage}/content?content=backup',
    'GET /cluster/ha/status/current',
  ],
  example: { sections: ['nodes', 'limits'] },
  preview: ({ sections = SECTIONS }) =>
    present(
      ...['GET /nodes', 'GET /cluster/resources?type=vm', 'GET /access/permissions'],
      sections.includes('nodes') && 'GET /nodes/{node}/version',
      overlap(sections, OF_STORAGES) && 'GET /nodes/{node}/storage',
      overlap(sections, OF_VOLUMES) && 'GET /nodes/{node}/storage/{storage}/content',
      sections.includes('networks') && 'GET /nodes/{node}/network?type=any_bridge',
      sections.includes('ha') && 'GET /cluster/ha/status/current',
    ),
  async read(ctx, { sections = SECTIONS, node, name }) {
    const { api } = ctx;
    const has = (section: Section) => sections.includes(section);
    const fits = (text: string) => name === undefined || matches(text, name.includes('*') ? name : `*${name}*`);
    const [allNodes, allGuests, granted] = await Promise.all([listNodes(api), currentGuests(api), allPrivileges(api)]);
    const notice = node === undefined ? undefined : noSuchNode(allNodes, node);
    const nodes = allNodes.filter((one) => node === undefined || matches(one.node, node));
    const guests = allGuests.filter((guest) => node === undefined || matches(guest.node, node));
    const online = nodes.flatMap((one) => (one.online ? [one.node] : []));
    const [places, shownNodes, networks] = await Promise.all([
      overlap(sections, OF_STORAGES) ? placesOf(api, online, { volumes: overlap(sections, OF_VOLUMES) }) : [],
      has('nodes') ? Promise.all(nodes.map((one) => nodeView(api, one, guests))) : undefined,
      has('networks') ? networksOf(api, online) : undefined,
    ]);
    const quotas = has('limits') ? await ctx.quotas() : undefined;
    const largest = quotas && largestGuest(quotas, ctx.limits, nodes, places);
    const warnings = has('storages') ? spaceWarnings(places) : [];
    return {
      ...defined({ notice, nodes: shownNodes, storages: has('storages') ? places.map(storageView) : undefined, networks }),
      ...(has('templates') ? { templates: templatesOf(guests, fits) } : {}),
      ...(has('media') ? { media: mediaOf(places, fits) } : {}),
      ...(has('backups') ? { backups: backupsOf(places) } : {}),
      ...(quotas ? { limits: limitsView(quotas, ctx.limits), ...(largest ? { largest_guest: largest } : {}) } : {}),
      ...(has('ha') ? { ha: await haView(api, guests) } : {}),
      ...(warnings.length > 0 ? { warnings } : {}),
      cannot_see: unseenBy(granted, [...new Set(sections.flatMap((section) => SEES[section]))]),
    };
  },
});

function overlap(sections: readonly Section[], others: readonly Section[]): boolean {
  return sections.some((section) => others.includes(section));
}

async function nodeView(api: ProxmoxReader, n: NodeRow, guests: readonly GuestRow[]) {
  const here = guests.filter((guest) => guest.node === n.node && !guest.template);
  const { cpus, memoryMib, freeMib } = n;
  const version = n.online ? await releaseOf(api, n.node) : undefined;
  return {
    node: n.node,
    state: n.online ? (n.silent ? 'online, status daemon silent' : 'online') : 'offline',
    ...(n.cpu === undefined ? {} : { cpu_percent: Math.round(100 * n.cpu) }),
    ...defined({ cpus }),
    ...(memoryMib === undefined || freeMib === undefined ? {} : { memory_used_mb: memoryMib - freeMib, memory_mb: memoryMib }),
    guests: here.length,
    running: here.filter(({ status }) => status === 'running' || status === 'paused').length,
    ...defined({ version: version && plainText(version, 20), uptime: n.uptimeSeconds }),
  };
}

/** Each bridge once, with the nodes that have it. */
async function networksOf(api: ProxmoxReader, nodes: readonly string[]) {
  const lists = await Promise.all(nodes.map(async (node) => ({ node, bridges: await bridgesOf(api, node).catch(() => []) })));
  const found = new Map<string, { bridge: string; type: string; nodes: string[]; vlan_aware?: true; comment?: string }>();
  for (const { node, bridges } of lists) {
    for (const { iface, type, vlanAware, comment } of bridges) {
      const known = found.get(iface);
      const more = defined({ vlan_aware: vlanAware || undefined, comment: comment === undefined ? undefined : plainText(comment, 80) });
      found.set(iface, { bridge: iface, type, ...known, ...more, nodes: [...(known?.nodes ?? []), node] });
    }
  }
  return [...found.values()];
}

function templatesOf(guests: readonly GuestRow[], fits: (text: string) => boolean) {
  return guests
    .filter((guest) => guest.template && fits(guest.name))
    .map((guest) => ({
      vmid: guest.vmid,
      name: plainText(guest.name, 80),
      type: guest.type === 'qemu' ? 'vm' : 'container',
      node: guest.node,
      ...(guest.diskGib === undefined ? {} : { disk_gb: rounded(guest.diskGib, 1) }),
    }));
}

/** High availability: the managed guests by the cluster's list, and the quorum where the token has Sys.Audit on `/`. */
async function haView(api: ProxmoxReader, guests: readonly GuestRow[]) {
  const rows = await ifAllowed(api.get<{ type?: string; status?: string }[]>('/cluster/ha/status/current'), []);
  const quorum = rows.find(({ type }) => type === 'quorum')?.status;
  const managed = guests.filter(({ ha }) => ha !== undefined);
  return {
    ...(quorum === undefined ? {} : { quorum: plainText(quorum, 60) }),
    guests: managed.map((g) => ({ vmid: g.vmid, name: plainText(g.name, 80), node: g.node, state: g.ha })),
  };
}
