import type { GetApi } from '../../core/proxmox.ts';
import { allPrivileges, type Granted, type Missing } from './privileges.ts';

/** A row of GET /access/acl, which shows only what the token may administrate: often nothing. */
interface Acl {
  path: string;
  ugid: string;
  roleid: string;
}

/** The known rights of a token that lacks one. */
export interface Rights {
  granted: Granted;
  acl: Acl[];
}

/** The operator's remedy for missing privileges. */
interface Remedy {
  /** One sentence or two, with the lines in it. */
  text: string;
  /** Lines for root on any node. */
  lines: string[];
}

/** Goes with lines that create an ACL. A token cannot see the rights that its user inherits on the path. */
export const CARE = 'Leave --users out where the user has the right already: a role on this path replaces what the user inherits.';

/** Roles that every installation has cannot be changed. */
const BUILT_IN = /^(PVE\w+|Administrator|NoAccess)$/;

export async function rightsOf(api: GetApi): Promise<Rights> {
  const [granted, acl] = await Promise.all([allPrivileges(api), api.get<Acl[]>('/access/acl').catch(() => [])]);
  return { granted, acl };
}

/**
 * How to give the token what it lacks without taking anything away. In Proxmox an ACL on a deeper path replaces what is inherited from above.
 * So rights are added where the token has some already. Rights of a pool are merged with those on the guest's own path.
 *
 * @param tokenId `user@realm!name`. A privilege-separated token has the intersection of its own rights and its user's.
 * @param known absent when the rights could not be read: then the path that the token's rights come from stays unnamed
 */
export function remedyFor(missing: readonly Missing[], tokenId: string, known?: Rights): Remedy {
  const pools = poolsForNew(missing, known);
  if (pools.length > 0) {
    const text = `The token may create guests in ${pools.length === 1 ? 'pool' : 'the pools'} ${pools.join(', ')}. Call again with pool, or the operator sets PROXMOX_POOL.`;
    return { text, lines: [] };
  }
  const places = new Map<string, Missing[]>();
  for (const one of missing) {
    const place = placeOf(one, known);
    places.set(place, [...(places.get(place) ?? []), one]);
  }
  const remedies = [...places].map(([place, of]) =>
    at(place, [...new Set(of.map(({ privileges: [first = ''] }) => first))], tokenId, known),
  );
  return { text: remedies.map(({ text }) => text).join(' '), lines: [...new Set(remedies.flatMap(({ lines }) => lines))] };
}

/** Pools in which the token may do what it lacks for a new guest outside of any pool. */
function poolsForNew(missing: readonly Missing[], known: Rights | undefined): string[] {
  if (!known || !missing.some(({ isNew, pool }) => isNew && pool === undefined)) return [];
  const fits = (privileges: Record<string, unknown>) => missing.every((one) => one.privileges.some((privilege) => privilege in privileges));
  return Object.entries(known.granted).flatMap(([path, has]) =>
    path.startsWith('/pool/') && fits(has) ? [path.slice('/pool/'.length)] : [],
  );
}

function at(place: string, privileges: string[], tokenId: string, known: Rights | undefined): Remedy {
  const user = tokenId.split('!')[0] ?? tokenId;
  const privs = privileges.join(' ');
  const add = [
    `pveum role add ${newRole(place, privileges)} --privs '${privs}'`,
    `pveum acl modify ${place} --users ${user} --tokens '${tokenId}' --roles ${newRole(place, privileges)}`,
  ];
  const roles =
    known?.acl.filter((row) => row.path === place && (row.ugid === tokenId || row.ugid === user)).map((row) => row.roleid) ?? [];
  const own = [...new Set(roles)].filter((role) => !BUILT_IN.test(role));
  if (roles.length > 0 && own.length === 0) {
    // Roles on one and the same path join.
    return { text: `The operator gives the token one more role on ${place}: ${add.join('; ')}.`, lines: add };
  }
  if (known && Object.keys(known.granted[place] ?? {}).length === 0) {
    const care = place.startsWith('/pool/') ? '' : ` ${CARE}`;
    return { text: `The operator grants it on a node: ${add.join('; ')}.${care}`, lines: add };
  }
  const append = (role: string) => `pveum role modify ${role} --append --privs '${privs}'`;
  const whose = `the role that ${user} and the token have on ${known || place.startsWith('/pool/') ? place : `the path where their rights on ${place} come from`}`;
  const replaces = place.startsWith('/pool/') ? '' : ' A new ACL on a deeper path would replace what is inherited.';
  const [role] = own;
  const lines = role === undefined ? ['pveum acl list', append('ROLE')] : [append(role)];
  return { text: `The operator adds ${privs} to ${whose}: ${lines.join(' shows its name; ')}.${replaces}`, lines };
}

function newRole(place: string, [first = '', ...more]: string[]): string {
  const word = place.split('/')[1] ?? '';
  return more.length === 0 ? `Mcp-${first}` : `Mcp${word.charAt(0).toUpperCase()}${word.slice(1)}`;
}

function placeOf({ path, pool, isNew }: Missing, known: Rights | undefined): string {
  if (pool !== undefined && path.startsWith('/vms/')) return `/pool/${pool}`;
  const from = isNew ? '/vms' : path;
  return (known && (poolOf(path, known.granted) ?? originOf(from, known))) ?? from;
}

/** The pool that gives the token rights on a guest or storage: those are listed with the flag 0, and the pool has them too. */
function poolOf(path: string, granted: Granted): string | undefined {
  const through = Object.entries(granted[path] ?? {}).filter(([, flag]) => Number(flag) === 0);
  if (through.length === 0) return undefined;
  const pools = Object.keys(granted).filter(
    (one) => one.startsWith('/pool/') && through.every(([privilege]) => privilege in (granted[one] ?? {})),
  );
  return pools.length === 1 ? pools[0] : undefined;
}

/** The path from which the rights on `path` are inherited: the highest one above it with the same rights. */
function originOf(path: string, { granted, acl }: Rights): string | undefined {
  const parts = path.split('/').slice(1);
  const chain = parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat(path === '/' ? [] : ['/']);
  const rightsOn = (place = '') =>
    Object.keys(granted[place] ?? {})
      .sort()
      .join();
  const having = chain.filter((place) => rightsOn(place) !== '');
  const listed = acl.map((row) => row.path);
  const stated = having.find((place) => listed.includes(place));
  return stated ?? having.findLast((place) => rightsOn(place) === rightsOn(having[0]));
}
