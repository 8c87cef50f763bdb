import { demand, may, modifyPrivileges } from '../access/permissions.ts';
import { type Context, flag, needed, type Routes, text } from '../context.ts';
import { refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import type { Pool } from '../model.ts';
import { poolMember } from './cluster.ts';

function findPool(context: Context): Pool {
  const name = needed(context, 'poolid');
  return context.world.get('pool', name) ?? refuse(`pool '${name}' does not exist`);
}

/** A pool with its members; what no longer exists is not among them. */
function details(context: Context, pool: Pool): Record<string, unknown> {
  const { world, at } = context;
  const type = text(context, 'type');
  const guests = pool.vms
    .map((vmid) => poolMember(world, vmid, at))
    .filter((row) => row !== undefined)
    .filter((row) => type === undefined || row.type === type);
  const storages =
    type === undefined || type === 'storage' ? pool.storage.map((name) => ({ id: `storage/${name}`, type: 'storage', storage: name })) : [];
  return { poolid: pool.poolid, ...(pool.comment ? { comment: pool.comment } : {}), members: [...guests, ...storages] };
}

function list(context: Context): unknown {
  const { world, who } = context;
  if (text(context, 'poolid') !== undefined) {
    // The index asks for no privilege, not even when it names one pool with its members.
    return [details(context, findPool(context))];
  }
  return [...world.all('pool').values()]
    .filter((pool) => may(world, who, `/pool/${pool.poolid}`, ['Pool.Audit']))
    .map(({ poolid, comment }) => ({ poolid, ...(comment ? { comment } : {}) }));
}

/** A right that is missing here is told in a 500, behind the words of the update. */
function demandInside(context: Context, path: string, privs: string[]): void {
  if (!may(context.world, context.who, path, privs, true))
    refuse(`update pools failed: 403 Permission check failed (${path}, ${privs.join('|')})`);
}

/** Adds or removes members, all or none; an id that no guest has is taken all the same. */
function update(context: Context): null {
  const { world, who } = context;
  const pool = findPool(context);
  demand(world, who, `/pool/${pool.poolid}`, ['Pool.Allocate']);
  let vms = [...pool.vms];
  let storage = [...pool.storage];
  const remove = flag(context, 'delete');
  for (const vmid of splitList(text(context, 'vms') ?? '').map(Number)) {
    demandInside(context, `/vms/${vmid}`, modifyPrivileges(`/vms/${vmid}`));
    if (remove) {
      if (!vms.includes(vmid)) refuse(`update pools failed: VM ${vmid} is not a pool member`);
      vms = vms.filter((other) => other !== vmid);
      continue;
    }
    if (vms.includes(vmid)) refuse(`update pools failed: VM ${vmid} is already a pool member`);
    const other = [...world.all('pool').values()].find((candidate) => candidate.vms.includes(vmid));
    if (other && !flag(context, 'allow-move'))
      refuse(`update pools failed: VM ${vmid} belongs already to pool '${other.poolid}' and 'allow-move' is not set`);
    if (other) {
      demandInside(context, `/pool/${other.poolid}`, ['Pool.Allocate']);
      world.put('pool', other.poolid, { ...other, vms: other.vms.filter((member) => member !== vmid) });
    }
    vms.push(vmid);
  }
  for (const name of splitList(text(context, 'storage') ?? '')) {
    demandInside(context, `/storage/${name}`, modifyPrivileges(`/storage/${name}`));
    if (remove && !storage.includes(name)) refuse(`update pools failed: Storage '${name}' is not a pool member`);
    if (!remove && storage.includes(name)) refuse(`update pools failed: Storage '${name}' is already a pool member`);
    storage = remove ? storage.filter((other) => other !== name) : [...storage, name];
  }
  const comment = text(context, 'comment');
  world.put('pool', pool.poolid, { ...pool, vms, storage, ...(comment === undefined ? {} : { comment }) });
  return null;
}

function create(context: Context): null {
  const poolid = needed(context, 'poolid');
  const parent = poolid.slice(0, Math.max(0, poolid.lastIndexOf('/')));
  if (parent !== '' && !context.world.get('pool', parent))
    refuse(`create pool failed: parent '${parent}' of pool '${poolid}' does not exist`);
  if (context.world.get('pool', poolid)) refuse(`create pool failed: pool '${poolid}' already exists`);
  const comment = text(context, 'comment');
  context.world.put('pool', poolid, { poolid, vms: [], storage: [], ...(comment === undefined ? {} : { comment }) });
  return null;
}

function remove(context: Context): null {
  const pool = findPool(context);
  const nested = [...context.world.all('pool').keys()].find((name) => name.startsWith(`${pool.poolid}/`));
  const inside = nested
    ? `pool '${nested}'`
    : pool.vms.length > 0
      ? `VM ${pool.vms.at(-1)}`
      : pool.storage[0] && `storage ${pool.storage[0]}`;
  if (inside) refuse(`delete pool failed: pool '${pool.poolid}' is not empty (contains ${inside})`);
  context.world.drop('pool', pool.poolid);
  return null;
}

export const POOL_ROUTES: Routes = {
  'GET /pools': list,
  'POST /pools': create,
  'PUT /pools': update,
  'PUT /pools/{poolid}': update,
  'DELETE /pools': remove,
  'DELETE /pools/{poolid}': remove,
  'GET /pools/{poolid}': (context) => {
    const { poolid: _poolid, ...rest } = details(context, findPool(context));
    return { poolid: needed(context, 'poolid'), ...rest };
  },
};
