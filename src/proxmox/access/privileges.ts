import { fail } from '../../core/errors/errors.ts';
import type { GetApi } from '../../core/proxmox.ts';
import { type Lack, type Need, pathsOf, unmet } from '../contract/need.ts';
import { byLatePrivileges, privilegesAt } from './remembered.ts';

/** As it appears in error details: one of the privileges is missing on the path. */
export interface Missing extends Lack {
  /** The pool in which the guest is, or would be: its path is the place for rights on the guest. */
  pool?: string;
  /** The guest of the path is only being created: a right on its VMID would help no other guest. */
  isNew?: true;
}

/** Privileges by path, as GET /access/permissions answers. A listed privilege is granted: its value is only the propagate flag. */
export type Granted = Record<string, Record<string, unknown>>;

/**
 * The rights that the token lacks, by GET /access/permissions for each concrete path; rights through pools are included
 * for guests that exist.
 */
export async function missingPrivileges(api: GetApi, all: readonly Need[]): Promise<Lack[]> {
  const paths = pathsOf({ all });
  const granted = new Map(await Promise.all(paths.map(async (path) => [path, await privilegesAt(api, path)] as const)));
  return unmet({ all }, (path) => granted.get(path));
}

/**
 * The part of a need that the token's rights leave open, from rights that were read lately. Nothing is called missing from memory alone.
 * A path whose privileges cannot be read is left to Proxmox.
 */
export function missingOf(api: GetApi, need: Need): Promise<Lack[]> {
  return byLatePrivileges(
    api,
    pathsOf(need),
    (has) => unmet(need, has),
    (missing) => missing.length === 0,
  );
}

/** @throws permission_denied: what needs a privilege that the token lacks, found before anything is sent or asked */
export function failMissing(what: string, missing: readonly Missing[]): never {
  const places = [...new Set(missing.map(({ path }) => path))];
  const on = (path: string) => missing.filter((one) => one.path === path).map(({ privileges }) => privileges.join(' or '));
  const where = places.map((path) => `${on(path).join(', ')} on ${path}`).join(' and ');
  return fail('permission_denied', `${what} needs ${where}, which the API token lacks.`, {
    details: { missing: missing.map((one) => ({ ...one })) },
  });
}

/** @throws permission_denied where the token lacks one of the rights that this needs */
export async function requirePrivileges(api: GetApi, what: string, wants: readonly Need[]): Promise<void> {
  const missing = await missingPrivileges(api, wants);
  if (missing.length > 0) failMissing(what, missing);
}

/** Everything that the token has: the paths with an ACL of their own, pool members, and the first level of the tree. */
export async function allPrivileges(api: GetApi): Promise<Granted> {
  const granted = await api.get<Granted>('/access/permissions');
  lastSeen.set(api, { at: Date.now(), granted });
  return granted;
}

/**
 * The privileges on one path by the list of everything. The nearest listed path above decides for a path that is not listed, and only what
 * propagates reaches below it.
 */
export function grantedAt(granted: Granted, path: string): Set<string> {
  if (granted[path] !== undefined) return new Set(Object.keys(granted[path]));
  for (let above = path; above !== '/'; ) {
    above = above.replace(/\/[^/]*$/, '') || '/';
    const there = granted[above];
    if (there !== undefined) return new Set(Object.keys(there).filter((privilege) => Number(there[privilege]) === 1));
  }
  return new Set();
}

/** How long (ms) rights that were read earlier may explain the gaps of an answer. */
const SAID_MS = 300_000;
const lastSeen = new WeakMap<GetApi, { at: number; granted: Granted }>();

/** Everything that the token has, where another call has just asked for it: for answers that must not cost a request more. */
export function knownPrivileges(api: GetApi): Granted | undefined {
  const seen = lastSeen.get(api);
  return seen && Date.now() - seen.at < SAID_MS ? seen.granted : undefined;
}
