import { BUILT_IN_ROLES } from '../../src/simulator/access/roles.ts';
import type { Acl, Config, Storage, Volume } from '../../src/simulator/model.ts';
import { aclKey, addGuest, addNode, addStorage, addVolume } from '../../src/simulator/seed/parts.ts';
import { openWorld, type World } from '../../src/simulator/world.ts';
import type { Exchange } from './replay.ts';

/** When the recording was made. */
const MOMENT = Date.UTC(2026, 10, 26, 10, 28, 30);

type Row = Record<string, unknown>;

/** Lists longer than 25 rows were cut: `<38 more>` stands for the rest. */
export const isCut = (row: unknown): row is string => typeof row === 'string' && /^<\d+ more>$/.test(row);

/** The installation of the recording, rebuilt from what its root token saw. `rights`: token → ACL in words; `later`: ms since then. */
export function openRecordedWorld(exchanges: Exchange[], rights: Record<string, string>, later = () => 0): World {
  const world = openWorld({ file: ':memory:', now: () => MOMENT + later(), timeScale: 1 });
  const seen = (path: string, ...params: [string, string | number][]): Row[] => {
    const wanted = params.length === 0 ? 'null' : JSON.stringify(params);
    const found = exchanges.find((one) => one.label === 'root' && one.path === path && JSON.stringify(one.params) === wanted);
    const { data } = (found as Exchange).body as { data: Row[] | Row };
    return (Array.isArray(data) ? data : [data]).filter((row) => !isCut(row));
  };
  world.write(() => {
    for (const role of BUILT_IN_ROLES) world.put('role', role.roleid, role);
    world.setFlag('seed', 'recording');
    const [host] = seen('/nodes') as [{ maxcpu: number; maxmem: number; maxdisk: number; disk: number }];
    addNode(world, {
      node: 'pve',
      ip: '10.77.0.1',
      cpus: host.maxcpu,
      memory: host.maxmem,
      rootTotal: host.maxdisk,
      rootUsed: host.disk,
      cards: [{ iface: 'eno9', pending: true }],
      bridges: [
        { iface: 'vmbr0', cidr: '10.77.0.1/24' },
        { iface: 'vmbr1', pending: true },
      ],
      networkChanges: changesOf(exchanges),
    });
    putStorages(world, seen);
    putGuests(world, seen);
    for (const job of seen('/cluster/backup')) world.put('job', String(job.id), job);
    for (const ha of seen('/cluster/ha/resources')) {
      const sid = String(ha.sid);
      world.put('ha', sid, { sid, state: String(ha.state), vmid: Number(sid.slice('vm:'.length)) });
    }
    for (const vmid of [100, 102]) {
      const rules = seen(`/nodes/pve/qemu/${vmid}/firewall/rules`).map(({ pos: _pos, digest: _digest, ...rule }) => rule);
      world.put('firewall', String(vmid), { rules, options: {} });
    }
    putTasks(world, [...seen('/cluster/tasks'), ...seen('/nodes/pve/tasks', ['vmid', 102])]);
    putRights(world, rights);
  });
  return world;
}

function changesOf(exchanges: Exchange[]): string {
  const found = exchanges.find((one) => one.label === 'root' && one.path === '/nodes/pve/network');
  return (found as unknown as { body: { changes: string } }).body.changes;
}

function putStorages(world: World, seen: (path: string) => Row[]): void {
  const [size] = seen('/nodes/pve/storage') as [{ total: number; used: number }];
  for (const row of seen('/storage')) {
    const { storage, type, content, path, digest: _digest, ...extra } = row as Record<string, string>;
    const kinds = (content as string).split(',');
    addStorage(world, {
      storage: storage as string,
      type: type as Storage['type'],
      content: kinds,
      ...(path === undefined ? {} : { path }),
      total: size.total,
      base: size.used,
      extra,
    });
    for (const volume of seen(`/nodes/pve/storage/${storage}/content`)) addVolume(world, { ...(volume as unknown as Volume), node: 'pve' });
  }
}

function putGuests(world: World, seen: (path: string) => Row[]): void {
  const pool = (poolid: string, vms: number[], storage: string[], comment?: string) =>
    world.put('pool', poolid, { poolid, vms, storage, ...(comment === undefined ? {} : { comment }) });
  pool('agents', [100, 101], [], 'guests of the MCP server');
  pool('other', [103], []);
  pool('stor', [], ['store2']);
  const config = (vmid: number): Config => {
    const [{ digest: _digest, parent: _parent, ...rest }] = seen(`/nodes/pve/qemu/${vmid}/config`) as [Row];
    return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, String(value)]));
  };
  const s1 = { config: {}, snaptime: 1_795_688_229, description: 'd' };
  addGuest(world, { vmid: 100, config: config(100), snapshots: { s1 }, parent: 's1' });
  const small = (name: string, disk: string) => ({ name, memory: '128', cores: '1', scsi0: `${disk},size=1G` });
  addGuest(world, { vmid: 101, config: small('db1', 'local:101/vm-101-disk-0.qcow2'), running: { since: MOMENT - 635_000, pid: 13_921 } });
  addGuest(world, { vmid: 102, config: config(102) });
  addGuest(world, { vmid: 103, config: small('oth1', 'store2:103/vm-103-disk-0.qcow2') });
  addGuest(world, { vmid: 9000, config: config(9000) });
}

/** As many as the node had: those that were recorded, before them others of an operator. */
const TASKS = 61;

function putTasks(world: World, rows: Row[]): void {
  const recorded = [...new Map(rows.map((row) => [String(row.upid), row])).values()];
  const first = Math.min(...recorded.map(({ starttime }) => Number(starttime)));
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  const older = Array.from({ length: TASKS - recorded.length }, (_, index): Row => {
    const starttime = first - TASKS + index;
    const upid = `UPID:pve:${hex(1_000 + index)}:${hex(5_000 + index)}:${hex(starttime)}:qmstart:101:ops@pve!tok:`;
    return { upid, type: 'qmstart', id: '101', user: 'ops@pve', tokenid: 'tok', starttime, endtime: starttime, status: 'OK' };
  });
  for (const row of [...older, ...recorded.reverse()]) {
    const { upid, type, id, user, tokenid, starttime, endtime, status } = row as Record<string, string>;
    const [, node = '', pid = '', pstart = ''] = (upid as string).split(':');
    world.addTask({
      ...{
        upid: String(upid),
        node,
        type: String(type),
        id: String(id),
        owner: tokenid === undefined ? String(user) : `${user}!${tokenid}`,
        exit: String(status),
      },
      ...{
        pid: Number.parseInt(pid, 16),
        pstart: Number.parseInt(pstart, 16),
        state: 'done',
        kind: '',
        args: {},
        locks: [],
        log: [],
        warnings: 0,
      },
      ...{ start: Number(starttime) * 1_000, end: Number(endtime) * 1_000, due: Number(endtime) * 1_000 },
    });
  }
}

/** `/storage/local: Datastore.Audit VM.Audit; /: @PVEAuditor (ACL on the token only)` */
function putRights(world: World, rights: Record<string, string>): void {
  const grant = (acl: Omit<Acl, 'type'>) => world.put('acl', aclKey(acl), { ...acl, type: acl.ugid.includes('!') ? 'token' : 'user' });
  for (const ugid of ['ops@pve', 'ops@pve!tok']) grant({ path: '/', ugid, roleid: 'PVEAdmin', propagate: 1 });
  for (const [token, words] of Object.entries(rights)) {
    const match = /^v-(.+)@pve!tok$/.exec(token);
    if (!match) continue;
    const user = `v-${match[1]}@pve`;
    world.put('user', user, { userid: user, enable: 1, expire: 0 });
    for (const [index, part] of (words === 'no rights at all' ? [] : words.split('; ')).entries()) {
      const [, path = '', what = '', note] = /^(\S+): (.+?)(?: \((.+)\))?$/.exec(part) ?? [];
      const roleid = what.startsWith('@') ? what.slice(1) : `R-${match[1]}-${index}`;
      if (!what.startsWith('@')) world.put('role', roleid, { roleid, privs: what.split(' ').sort() });
      const propagate = note === 'propagate 0' ? 0 : 1;
      if (note !== 'ACL on the token only') grant({ path, ugid: user, roleid, propagate });
      if (note !== 'ACL on the user only') grant({ path, ugid: token, roleid, propagate });
    }
  }
}
