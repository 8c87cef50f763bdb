import type { AuthInfo } from '@modelcontextprotocol/server';
import type { Role, Scope } from '../core/people/caller.ts';
import { type Offered, roleAllows } from '../operations/available.ts';

/** The authenticated identity of a remote caller. */
export interface Identity {
  /** `token:NAME`, or `oauth:SUB`. */
  principal: string;
  /** The human or account answerable for it; for OAuth the `sub`. */
  owner: string;
  /** Its rights over MCP. */
  role: Role;
  scope?: Scope;
  /** May decide, in a console session. */
  mayApprove: boolean;
  /** The operator vouches that this caller's client passes on a human's answer faithfully. */
  trustsClient: boolean;
  /** Epoch seconds. */
  expiresAt: number;
}

export const READ = 'proxmox:read';
const WRITE = 'proxmox:write';
const APPROVE = 'proxmox:approve';
export const SCOPES = [READ, WRITE, APPROVE];

/** OAuth scopes as a role: the right to change or approve includes reading. Undefined when none of the scopes is ours. */
export function roleOfScopes(scopes: readonly unknown[]): Role | undefined {
  if (scopes.includes(WRITE)) return 'operator';
  if (scopes.includes(APPROVE)) return 'approver';
  return scopes.includes(READ) ? 'viewer' : undefined;
}

/** The data that the SDK hands to the handlers. It leaves out the token itself, which they do not need. */
export function toAuthInfo(identity: Identity): AuthInfo {
  const scopes = [READ, ...(identity.role === 'operator' ? [WRITE] : []), ...(identity.mayApprove ? [APPROVE] : [])];
  return { token: '', clientId: identity.principal, scopes, expiresAt: identity.expiresAt, extra: { identity } };
}

export function identityOf(authInfo: AuthInfo | undefined): Identity | undefined {
  return authInfo?.extra?.identity as Identity | undefined;
}

/** The scope that a caller lacks for an operation, for the specification's step-up challenge. */
export function missingScope(authInfo: AuthInfo | undefined, operation: Offered): string | undefined {
  const identity = identityOf(authInfo);
  return identity === undefined || roleAllows(identity.role, operation) ? undefined : WRITE;
}
