import type { OperationContext } from '../define.ts';

/**
 * Tells an empty cluster from a token without rights: Proxmox answers both with an empty list (`GET /access/permissions`).
 * @returns undefined when the token may see guests and there are none
 */
export async function whyEmpty(ctx: Pick<OperationContext, 'api' | 'settings'>): Promise<string | undefined> {
  const granted = await ctx.api.get<Record<string, Record<string, number>>>('/access/permissions');
  // The key grants; its value only says whether the right is passed on to paths below.
  const sees = Object.entries(granted).some(([path, privileges]) => /^\/(vms|pool|$)/.test(path) && 'VM.Audit' in privileges);
  if (sees) return undefined;
  const token = ctx.settings.connection.tokenId;
  const user = token.split('!')[0] ?? token;
  const path = ctx.settings.defaults.pool === undefined ? '/vms' : `/pool/${ctx.settings.defaults.pool}`;
  return (
    `The token ${token} has VM.Audit nowhere, so this list says nothing about the cluster. ` +
    `The operator runs on a node: pveum acl modify ${path} --users ${user} --roles PVEAuditor; ` +
    `pveum acl modify ${path} --tokens '${token}' --roles PVEAuditor`
  );
}
