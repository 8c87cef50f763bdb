import { remedyFor } from '../../../proxmox/access/grants.ts';
import { allPrivileges } from '../../../proxmox/access/privileges.ts';
import { privilegesAt } from '../../../proxmox/access/remembered.ts';
import type { OperationContext } from '../../define.ts';

type Context = Pick<OperationContext, 'api' | 'tokenId' | 'defaults'>;

/**
 * Distinguishes an empty cluster from a token that sees little or nothing: Proxmox answers both with an empty list (`GET /access/permissions`).
 * @returns undefined when the token may see every guest and there is none
 */
export async function whyEmpty({ api, tokenId, defaults }: Context): Promise<string | undefined> {
  const granted = await allPrivileges(api);
  // Rights on `/` that propagate show up on `/vms` too; without the flag they end there.
  if ([granted['/vms'], granted['/']].some((has) => Number(has?.['VM.Audit'] ?? 0) === 1)) return undefined;
  const places = Object.entries(granted).flatMap(([path, has]) => (/^\/(vms|pool)\/./.test(path) && 'VM.Audit' in has ? [path] : []));
  if (places.length > 0) return `No guest is visible. This token sees guests on ${places.join(', ')} only; others may exist.`;
  const { pool } = defaults;
  const missing = [{ path: pool === undefined ? '/vms' : `/pool/${pool}`, privileges: ['VM.Audit'] }];
  const remedy = remedyFor(missing, tokenId, { granted, acl: [] }).text;
  return `The token ${tokenId} has VM.Audit nowhere, so this list says nothing about the cluster. ${remedy}`;
}

/** Why a list by pool is empty although guests are visible: the pool of a guest shows with Pool.Audit only. */
export async function whyNoPool({ api, tokenId }: Context, pool: string): Promise<string | undefined> {
  const path = pool.includes('*') ? '/pool' : `/pool/${pool}`;
  if ((await privilegesAt(api, path)).has('Pool.Audit')) return undefined;
  const missing = [{ path, privileges: ['Pool.Audit'] }];
  const remedy = remedyFor(missing, tokenId, { granted: await allPrivileges(api), acl: [] }).text;
  return `The pool of a guest shows with Pool.Audit only, which the token lacks on ${path}: this list says nothing about the pool. ${remedy}`;
}
