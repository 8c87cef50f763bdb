import { BUILT_IN_ROLES } from '../../../src/simulator/access/roles.ts';
import type { Fault } from '../../../src/simulator/index.ts';
import type { Guest, Storage } from '../../../src/simulator/model.ts';
import { addGuest, addNode, addStorage, addToken, addVolume, grant } from '../../../src/simulator/seed/parts.ts';
import { SEED_TOKENS } from '../../../src/simulator/seed/tokens.ts';
import type { World as Simulated } from '../../../src/simulator/world.ts';
import type { GuestSpec, StorageSpec, World } from './spec.ts';

/** The moment at which a described cluster stands still: 5 s after the status daemons spoke. */
export const NOW = Date.parse('2026-11-26T12:00:05.000Z');
const HOUR = 3_600_000;
const GIB = 2 ** 30;
const LOCAL: StorageSpec = { storage: 'local', type: 'dir', content: 'iso,vztmpl,backup,import' };
const THIN: StorageSpec = { storage: 'local-lvm', type: 'lvmthin', content: 'images,rootdir', availGib: 200, totalGib: 500 };
export const TOKEN = SEED_TOKENS.leastPrivilege;
const USER = TOKEN.id.replace(/!.*/, '');

/** Writes the cluster that a test describes into the state of a simulator. */
export function seedDescribed(world: Simulated, spec: World): void {
  for (const role of BUILT_IN_ROLES) world.put('role', role.roleid, role);
  seedAccess(world, spec);
  seedPlaces(world, spec);
  for (const guest of spec.guests ?? []) seedGuest(world, guest);
  world.setFlag('token', 'leastPrivilege');
}

function seedAccess(world: Simulated, { permissions, guests = [], nodes = [] }: World): void {
  world.put('user', USER, { userid: USER, enable: 1, expire: 0 });
  addToken(world, TOKEN, 1);
  const give = (path: string, role: string): void => {
    for (const who of [USER, TOKEN.id]) grant(world, path, who, role);
  };
  if (permissions === undefined) give('/', 'Administrator');
  for (const [path, privs] of Object.entries(permissions ?? {})) {
    const roleid = `R${path.replaceAll('/', '-')}`;
    world.put('role', roleid, { roleid, privs });
    give(path, roleid);
  }
  for (const { vmid, hidden } of guests) if (hidden) give(`/vms/${vmid}`, 'NoAccess');
  for (const { node, hidden } of nodes) if (hidden) give(`/nodes/${node}`, 'NoAccess');
}

function seedPlaces(world: Simulated, spec: World): void {
  const { bridges = {}, storages = {}, volumes = [], pools = [] } = spec;
  const named = ['pve', ...(spec.guests ?? []).map(({ node = 'pve' }) => node)];
  const nodes: NonNullable<World['nodes']> = spec.nodes ?? [...new Set(named)].map((node) => ({ node }));
  for (const { node, status, maxcpu = 8, maxmem = 32 * GIB } of nodes) {
    const there = (bridges[node] ?? ['vmbr0']).map((iface) => ({ iface }));
    addNode(world, { node, online: status !== 'offline', cpus: maxcpu, memory: maxmem, bridges: there });
  }
  for (const poolid of pools) world.put('pool', poolid, { poolid, vms: [], storage: [] });
  const here = nodes.map(({ node }) => ({ node, list: storages[node] ?? storages.pve ?? [LOCAL, THIN] }));
  for (const { storage, type, content, shared, availGib = 100, totalGib = 200 } of here.flatMap(({ list }) => list)) {
    addStorage(world, {
      storage,
      type: type as Storage['type'],
      content: content.split(','),
      shared: shared === 1,
      nodes: here.filter(({ list }) => list.some((one) => one.storage === storage)).map(({ node }) => node),
      total: totalGib * GIB,
      base: (totalGib - availGib) * GIB,
    });
  }
  for (const { storage, volid, content, sizeGib = 1, vmid, parent, ctime } of volumes) {
    const place = world.get('storage', storage);
    for (const node of place?.shared ? [''] : (place?.nodes ?? [])) {
      addVolume(world, {
        ...{ volid, storage, node, used: 0, size: sizeGib * GIB, content: content as 'images' },
        ...(vmid === undefined ? {} : { vmid }),
        ...(ctime === undefined ? {} : { ctime }),
        ...(parent === undefined ? {} : { parent: `${storage}:${parent}` }),
      });
    }
  }
}

/** Puts other guests in the place of all that are there, as other clients do between two calls. */
export function replaceGuests(world: Simulated, guests: GuestSpec[]): void {
  world.write(() => {
    for (const vmid of [...world.guests().keys()]) world.dropGuest(vmid);
    for (const [poolid, pool] of [...world.all('pool')]) world.put('pool', poolid, { ...pool, vms: [] });
    for (const guest of guests) seedGuest(world, guest);
  });
}

function seedGuest(world: Simulated, spec: GuestSpec): void {
  const { vmid, type = 'qemu', node = 'pve', config = {}, running, pool, ha, fresh, listedAs, usedMib, cpu, uptime } = spec;
  const pending = Object.entries(spec.pending ?? {});
  const { digest: _, ...settings } = config;
  const guest: Omit<Guest, 'running' | 'changedAt'> = {
    vmid,
    type,
    node,
    config: Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, String(value)])),
    pending: Object.fromEntries(pending.filter(([, next]) => next !== null && next !== 'force').map(([key, next]) => [key, String(next)])),
    pendingDelete: Object.fromEntries(
      pending.filter(([, next]) => next === null || next === 'force').map(([key, next]) => [key, next === null ? '1' : '2']),
    ),
    snapshots: Object.fromEntries(
      (spec.snapshots ?? []).map((name, index) => [
        name,
        {
          ...{ config: {}, snaptime: 1_700_000_000 + index, description: '' },
          ...(spec.snapstate && index === 0 ? { snapstate: spec.snapstate } : {}),
        },
      ]),
    ),
    inside: {
      acpi: true,
      agent: true,
      ...(usedMib === undefined && cpu === undefined ? {} : { load: loadOf(usedMib, config.memory, cpu) }),
    },
  };
  const paused = spec.qmpstatus === 'paused';
  const halted = spec.qmpstatus === undefined || paused ? {} : { halted: spec.qmpstatus };
  const since = uptime === undefined ? NOW - HOUR : NOW - 1000 * uptime;
  const on: Pick<Guest, 'running'> = { running: { since, pid: 2000 + vmid, paused, ...halted } };
  // What the status daemons know is what held at their last round: nothing of a fresh guest, the state before of one that was just changed.
  if (!fresh) addGuest(world, { ...guest, ...((listedAs ? listedAs === 'running' : running) ? on : {}) });
  if (fresh || listedAs) world.saveGuest({ ...guest, ...(running ? on : {}), changedAt: NOW }, NOW);
  for (const poolid of pool?.split('/').map((_part, index, parts) => parts.slice(0, index + 1).join('/')) ?? []) {
    const members = world.get('pool', poolid)?.vms ?? [];
    world.put('pool', poolid, { poolid, vms: poolid === pool ? [...members, vmid] : members, storage: [] });
  }
  const sid = `${type === 'qemu' ? 'vm' : 'ct'}:${vmid}`;
  if (ha) world.put('ha', sid, { sid, vmid, state: ha });
}

/** A share of the memory that amounts to so many MiB and does not vary. */
function loadOf(usedMib = 100, memory: string | number = 512, cpu = 0.1): NonNullable<Guest['inside']['load']> {
  const share = usedMib / Number(memory);
  return { cpu: [cpu, cpu], memory: [share, share] };
}

/** Answers that a test gives word by word: what only a guest could say, other releases, storages that are offline. */
export function oddAnswers({ version, answers = {}, guests = [], storages = {} }: World): Fault[] {
  const all: Record<string, unknown> = { ...answers };
  if (version !== undefined) all['/version'] = { version, release: version.replace(/\.\d+$/, ''), repoid: 'x' };
  for (const [node, list] of Object.entries(storages)) {
    if (!list.some(({ active }) => active === 0)) continue;
    all[`/nodes/${node}/storage`] = list.map(({ availGib = 100, totalGib = 200, ...one }) => {
      const sizes = { avail: availGib * GIB, total: totalGib * GIB };
      return { active: 1, enabled: 1, shared: 0, ...(one.active === 0 ? { avail: 0, total: 0 } : sizes), ...one };
    });
  }
  const faults = Object.entries(all).map(([path, data]) => answered(path, { status: 200, reason: 'OK', body: JSON.stringify({ data }) }));
  return [...faults, ...guests.flatMap(spoken)];
}

function spoken({ vmid, type = 'qemu', node = 'pve', interfaces, addresses }: GuestSpec): Fault[] {
  if (type === 'lxc') {
    const lo = { name: 'lo', inet: '127.0.0.1/8' };
    const data = interfaces ?? (addresses ? [lo, ...addresses.map((a) => ({ name: 'eth0', inet: `${a}/24` }))] : undefined);
    return data ? [answered(`/nodes/${node}/lxc/${vmid}/interfaces`, { status: 200, reason: 'OK', body: JSON.stringify({ data }) })] : [];
  }
  const path = `/nodes/${node}/qemu/${vmid}/agent/network-get-interfaces`;
  const cards = addresses && [
    { name: 'lo', 'ip-addresses': [{ 'ip-address': '127.0.0.1' }] },
    { name: 'eth0', 'ip-addresses': addresses.map((a) => ({ 'ip-address': a })) },
  ];
  const result = interfaces ?? cards;
  if (result) return [answered(path, { status: 200, reason: 'OK', body: JSON.stringify({ data: { result } }) })];
  const reason = 'QEMU guest agent is not running';
  return [answered(path, { status: 500, reason, body: JSON.stringify({ data: null, message: `${reason}\n` }) })];
}

function answered(path: string, answer: Pick<Fault, 'status' | 'reason' | 'body'>): Fault {
  return { match: { method: 'GET', path: `^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$` }, action: 'status', ...answer };
}
