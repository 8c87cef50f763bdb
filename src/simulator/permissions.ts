import type { Method, Params } from './contract.ts';
import { forbid, invalid } from './errors.ts';
import type { Acl } from './model.ts';
import type { World } from './world.ts';

export interface Who {
  /** user@realm!token, as tasks and UPIDs name the owner. */
  token: string;
  user: string;
  privsep: boolean;
}

/** Privilege → propagate flag. The key grants; the value only says whether it reaches below. */
export type Privileges = Record<string, 0 | 1>;

interface Cached {
  version: string;
  byKey: Map<string, Privileges>;
}

const caches = new WeakMap<World, Cached>();

/** Effective privileges of a caller on a path: those of the user, cut down to the token's own when privileges are separated. */
export function privileges(world: World, who: Who, path: string): Privileges {
  const version = world.version();
  let cached = caches.get(world);
  if (cached?.version !== version) {
    cached = { version, byKey: new Map() };
    caches.set(world, cached);
  }
  const key = `${who.token} ${path}`;
  const known = cached.byKey.get(key);
  if (known) return known;
  const ofUser = who.user === 'root@pam' ? everything(world) : granted(world, who.user, 'user', path);
  const result = who.privsep ? intersect(granted(world, who.token, 'token', path), ofUser) : ofUser;
  cached.byKey.set(key, result);
  return result;
}

function everything(world: World): Privileges {
  return Object.fromEntries((world.get('role', 'Administrator')?.privs ?? []).map((priv) => [priv, 1]));
}

function intersect(own: Privileges, limit: Privileges): Privileges {
  return Object.fromEntries(Object.entries(own).filter(([priv]) => limit[priv] !== undefined));
}

/** The deepest path with an entry for the caller decides; a pool's roles join on its members, without propagating. */
function granted(world: World, id: string, type: Acl['type'], path: string): Privileges {
  const roles = rolesAt(world, id, type, path);
  if ('NoAccess' in roles) return {};
  const member = /^\/(vms|storage)\/([^/]+)$/.exec(path);
  if (member) {
    for (const pool of world.all('pool').values()) {
      const holds = member[1] === 'vms' ? pool.vms.includes(Number(member[2])) : pool.storage.includes(member[2] as string);
      if (!holds) continue;
      for (const role of Object.keys(rolesAt(world, id, type, `/pool/${pool.poolid}`))) roles[role] ??= 0;
    }
  }
  const result: Privileges = {};
  for (const [role, propagate] of Object.entries(roles)) {
    for (const priv of world.get('role', role)?.privs ?? []) if (!result[priv]) result[priv] = propagate;
  }
  return result;
}

function rolesAt(world: World, id: string, type: Acl['type'], path: string): Record<string, 0 | 1> {
  const steps =
    path === '/'
      ? ['/']
      : [
          '/',
          ...path
            .split('/')
            .slice(1)
            .map((_, index, all) => `/${all.slice(0, index + 1).join('/')}`),
        ];
  let roles: Record<string, 0 | 1> = {};
  for (const step of steps) {
    const here = [...world.all('acl').values()].filter(
      (acl) => acl.path === step && acl.type === type && acl.ugid === id && (acl.propagate === 1 || step === path),
    );
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

/** A guest's privilege, or the same on the pool it is being created in. */
export function requireVm(world: World, who: Who, vmid: number, pool: string | undefined, privs: string[], any = false): void {
  if (pool !== undefined && may(world, who, `/pool/${pool}`, privs, any)) return;
  demand(world, who, `/vms/${vmid}`, privs, any);
}

export function requirePool(world: World, pool: string): void {
  if (!world.get('pool', pool)) forbid(`pool '${pool}' does not exist`);
}

/** Evaluates the declared permission of a method. */
export function checkMethod(world: World, who: Who, method: Method, params: Params): void {
  const permission = method.permission;
  if (permission?.user !== undefined) return;
  if (!permission?.check) {
    if (who.token !== 'root@pam') forbid();
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
  const verdict = (granted: boolean, what?: string): boolean => granted || (quiet ? false : forbid(what));
  switch (kind) {
    case 'and':
      return rest.every((part) => evaluate(world, who, part as unknown[], params, quiet));
    case 'or':
      return verdict(rest.some((part) => evaluate(world, who, part as unknown[], params, true)));
    case 'perm': {
      const [template, privs, ...options] = rest as [string, string[], ...unknown[]];
      const needs = options.indexOf('require_param');
      if (needs >= 0 && params[options[needs + 1] as string] === undefined) return false;
      const any = options.includes('any');
      const path = fill(template, params);
      if (path.startsWith('/pool/')) {
        const pool = path.slice('/pool/'.length);
        if (!world.get('pool', pool) && needs >= 0) forbid(`pool '${pool}' does not exist`);
      }
      if (quiet) return may(world, who, path, privs, any);
      demand(world, who, path, privs, any);
      return true;
    }
    case 'perm-modify':
      return verdict(
        may(world, who, fill(rest[0] as string, params), ['Permissions.Modify']),
        `${fill(rest[0] as string, params)}, Permissions.Modify`,
      );
    case 'userid-param': {
      const userid = String(params.userid ?? '');
      if (rest[0] === 'self') return verdict(who.user === userid);
      const realm = userid.split('@').at(-1) ?? '';
      return verdict(may(world, who, `/access/realm/${realm}`, [String(rest[0])]), `/access/realm/${realm}, ${String(rest[0])}`);
    }
    case 'userid-group':
      return verdict(may(world, who, '/access/groups', rest[0] as string[], true), `/access/groups, ${(rest[0] as string[]).join('|')}`);
    default:
      return verdict(false);
  }
}
