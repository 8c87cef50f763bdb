import { fail } from '../../core/errors/errors.ts';
import type { ApprovalRecord } from '../../core/plan/approval.ts';
import type { TokenRecord } from '../../store/schema.ts';
import type { Ports } from '../ports.ts';

const PREFIX = 'token:';

/** The access token of a remote principal as it is now; undefined for every other principal. */
async function tokenOf(principal: string, ports: Ports): Promise<TokenRecord | undefined> {
  return principal.startsWith(PREFIX) ? (await ports.store()).tokens.byName(principal.slice(PREFIX.length)) : undefined;
}

/** Checks the token again: the HTTP server checks it when a call arrives, but planning and people take time. @throws forbidden_by_policy */
export async function refuseRevoked(principals: readonly string[], ports: Ports): Promise<void> {
  for (const principal of new Set(principals)) {
    const token = await tokenOf(principal, ports);
    if (token?.revokedAt === undefined) continue;
    fail('forbidden_by_policy', `The access token ${token.name} was revoked at ${token.revokedAt}.`, {
      hint: 'Nothing was done. Tell the user that the operator issues access tokens.',
    });
  }
}

/** Adds the scope of the requester's token: older versions kept to it, but stored none with the approval. */
export async function withScope(approval: ApprovalRecord, ports: Ports): Promise<ApprovalRecord> {
  const scope = approval.scope ?? (await tokenOf(approval.principal, ports))?.scope;
  return scope === undefined ? approval : { ...approval, scope };
}
