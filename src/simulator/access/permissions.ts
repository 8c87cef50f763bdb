import type { Method, Params } from '../contract.ts';
import { forbid, invalid, refuse } from '../errors.ts';
import type { Acl } from '../model.ts';
import type { World } from '../world.ts';

export interface Who {
  /** user@realm!token, as tasks and UPIDs name the owner. */
  token: string;
  user: string;
  privsep: boolean;
}

/** Privilege → propagate flag. The key grants; the value only says whether it reaches below. */
export type Privileges = Record<string, 0 | 1>;

type Entries = Map<string, Acl[]>;

/** Results computed since the cluster last changed. */
interface Cached {
  version: string;
  privileges: Map<string, Privileges>;
  entries: Map<string, Entries>;
  /** Pools by the path of a member. */
  pools: Map<string, string[]>;
  merged: Map<string, Privileges>;
  everything: Privileges;
}

const caches = new WeakMap<World, Cached>();

function cacheOf(world: World): Cached {
  const version = world.version();
  const known = caches.get(world);
  if (known?.version === version) return known;
  const pools = new Map<string, string[]>();
  for (const pool of world.all('pool').values()) {
    for (const path of [...pool.vms.map((vmid) => `/vms/${vmid}`), ...pool.storage.map((name) => `/storage/${name}`)]) {
      pools.set(path, [...(pools.get(path) ?? []), pool.poolid]);
    }
  }
  const everything = Object.fromEntries((world.get('role', 'Administrator')?.privs ?? []).map((priv) => [priv, 1 as const]));
  const made = { version, privileges: new Map(), entries: new Map(), pools, merged: new Map(), everything };
  caches.set(world, made);
  return made;
}

/** Effective privileges of a caller on a path: those of the user, cut down to the token's own when privileges are separated. */
export function privileges(world: World, who: Who, path: string): Privileges {
  const cache = cacheOf(world);
  const key = `${who.token} ${path}`;
  const known = cache.privileges.get(key);
  if (known) return known;
  const ofUser = who.user === 'root@pam' ? cache.everything : granted(world, cache, who.user, path);
  const result = who.privsep ? intersect(granted(world, cache, who.token, path), ofUser) : ofUser;
  cache.privileges.set(key, result);
  return result;
}

function intersect(own: Privileges, limit: Privileges): Privileges {
  const both = Object.entries(own).filter(([priv]) => limit[priv] !== undefined);
  return Object.fromEntries(both.map(([priv, propagate]) => [priv, propagate && limit[priv] ? 1 : 0]));
}

/** The deepest path with an entry for the caller decides; a pool's roles join on its members, without propagating. */
function granted(world: World, cache: Cached, id: string, path: string): Privileges {
  const roles = { ...rolesAt(world, cache, id, path) };
  if ('NoAccess' in roles) return {};
  for (const pool of cache.pools.get(path) ?? []) {
    for (const role of Object.keys(rolesAt(world, cache, id, `/pool/${pool}`))) roles[role] ??= 0;
  }
  const key = JSON.stringify(roles);
  const known = cache.merged.get(key);
  if (known) return known;
  const result: Privileges = {};
  for (const [role, propagate] of Object.entries(roles)) {
    for (const priv of world.get('role', role)?.privs ?? []) if (!result[priv]) result[priv] = propagate;
  }
  cache.merged.set(key, result);
  return result;
}

function entriesOf(world: World, cache: Cached, id: string): Entries {
  const known = cache.entries.get(id);
  if (known) return known;
  const made: Entries = new Map();
  for (const acl of world.all('acl').values()) if (acl.ugid === id) made.set(acl.path, [...(made.get(acl.path) ?? []), acl]);
  cache.entries.set(id, made);
  return made;
}

/** `/vms/100` → `/`, `/vms`, `/vms/100`. */
export function stepsOf(path: string): string[] {
  if (path === '/') return ['/'];
  const parts = path.split('/').slice(1);
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}

function rolesAt(world: World, cache: Cached, id: string, path: string): Record<string, 0 | 1> {
  const entries = entriesOf(world, cache, id);
  let roles: Record<string, 0 | 1> = {};
  for (const step of stepsOf(path)) {
    const here = entries.get(step)?.filter((acl) => acl.propagate === 1 || step === path) ?? [];
    if (here.length > 0) roles = Object.fromEntries(here.map((acl) => [acl.roleid, acl.propagate]));
  }
  return roles;
}

export function may(world: World, who: Who, path: string, privs: string[], any = false): boolean {
  const have = privileges(world, who, path);
  return any ? privs.some((priv) => have[priv] !== undefined) : privs.every((priv) => have[priv] !== undefined);
}

/** 403 naming path and privilege unless the caller has all (or, with `any`, one) of them. */
export function demand(world: World, who: Who, path: string, privs: string[], any = false): void {
  if (any) {
    if (!may(world, who, path, privs, true)) forbid(`${path}, ${privs.join('|')}`);
    return;
  }
  for (const priv of privs) if (!may(world, who, path, [priv])) forbid(`${path}, ${priv}`);
}

/** The same where it comes too late for an answer: the text becomes the task's exit status. */
export function demandInTask(world: World, who: Who, path: string, privs: string[]): void {
  for (const priv of privs) if (!may(world, who, path, [priv])) refuse(`403 Permission check failed (${path}, ${priv})`);
}

/** A guest's privilege, or the same on the pool it is being created in. */
export function requireVm(
  world: World,
  who: Who,
  { vmid, pool }: { vmid: number; pool: string | undefined },
  privs: string[],
  any = false,
): void {
  if (pool !== undefined && may(world, who, `/pool/${pool}`, privs, any)) return;
  demand(world, who, `/vms/${vmid}`, privs, any);
}

/** The privileges of which one allows to change who may do what on a path: guests, storages and pools have their own. */
export function modifyPrivileges(path: string): string[] {
  const [, kind, name] = path.split('/');
  const own = { vms: 'VM.Allocate', storage: 'Datastore.Allocate', pool: 'Pool.Allocate' }[kind ?? ''];
  return own === undefined || !name ? ['Permissions.Modify'] : ['Permissions.Modify', own];
}

export function requirePool(world: World, pool: string): void {
  if (!world.get('pool', pool)) forbid(`pool '${pool}' does not exist`);
}

/** Evaluates the declared permission of a method. */
export function checkMethod(world: World, who: Who, method: Method, params: Params): void {
  const permission = method.permission;
  if (permission?.user !== undefined) return;
  if (!permission?.check) {
    // A method without a declaration is for root alone; no token is root.
    if (who.token !== 'root@pam') forbid(permission === undefined ? 'user != root@pam' : undefined);
    return;
  }
  evaluate(world, who, permission.check, params, false);
}

function fill(template: string, params: Params): string {
  return template.replaceAll(/\{([^}]+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) invalid({ [name]: 'property is missing and it is not optional' });
    return String(value);
  });
}

function evaluate(world: World, who: Who, check: unknown[], params: Params, quiet: boolean): boolean {
  const [kind, ...rest] = check as [string, ...unknown[]];
  const decide = (granted: boolean, what?: string): boolean => granted || (quiet ? false : forbid(what));
  switch (kind) {
    case 'and':
      return rest.every((part) => evaluate(world, who, part as unknown[], params, quiet));
    case 'or':
      return decide(rest.some((part) => evaluate(world, who, part as unknown[], params, true)));
    case 'perm': {
      const [template, privs, ...options] = rest as [string, string[], ...unknown[]];
      const needs = options.indexOf('require_param');
      if (needs >= 0 && params[options[needs + 1] as string] === undefined) return false;
      const any = options.includes('any');
      const path = fill(template, params);
      // Nothing is granted on a text that is not a path, not to root either.
      if (!quiet && /[^\w/.@!:~+-]/.test(path)) forbid(`, ${privs.join('|')}`);
      if (path.startsWith('/pool/')) {
        const pool = path.slice('/pool/'.length);
        if (!world.get('pool', pool) && needs >= 0) forbid(`pool '${pool}' does not exist`);
      }
      if (quiet) return may(world, who, path, privs, any);
      demand(world, who, path, privs, any);
      return true;
    }
    case 'perm-modify': {
      const path = fill(rest[0] as string, params);
      const privs = modifyPrivileges(path);
      return decide(may(world, who, path, privs, true), `${path}, ${privs.join('|')}`);
    }
    case 'userid-param': {
      const userid = String(params.userid ?? '');
      if (rest[0] === 'self') return decide(who.user === userid);
      if (!/^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$/.test(userid)) refuse(`value '${userid}' does not look like a valid user name`);
      const realm = userid.split('@').at(-1) ?? '';
      return decide(may(world, who, `/access/realm/${realm}`, [String(rest[0])]), `/access/realm/${realm}, ${String(rest[0])}`);
    }
    case 'userid-group':
      return decide(may(world, who, '/access/groups', rest[0] as string[], true), `/access/groups, ${(rest[0] as string[]).join('|')}`);
    default:
      return decide(false);
  }
}
