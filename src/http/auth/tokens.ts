import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { newSecret, sha256 } from '../../core/hash.ts';
import { networks } from '../../core/network.ts';
import type { Identity } from '../../mcp/identity.ts';
import type { Store } from '../../store/index.ts';

export const TOKEN_PREFIX = 'pmcp_';
/** How often (ms) the last use of a token is recorded. */
const TOUCH_MS = 60_000;

/** A new access token: 256 random bits. Only its hash is kept, from which its id is derived, too. */
export function newToken(): { token: string; id: string; hash: string } {
  const token = `${TOKEN_PREFIX}${newSecret()}`;
  const hash = sha256(token);
  return { token, id: idOf(hash), hash };
}

/** Why a token is rejected; the caller learns only that it is invalid. */
export type TokenFault = 'unknown' | 'revoked' | 'expired' | 'address';

export function createTokenVerifier(rows: Pick<Store['tokens'], 'get' | 'touch'>, clock: Clock) {
  const touched = new Map<string, number>();
  const rowOf = joined((id) => rows.get(id));
  return async (token: string, address: string): Promise<Identity | TokenFault> => {
    const hash = sha256(token);
    const row = await rowOf(idOf(hash));
    if (!row || !timingSafeEqual(Buffer.from(row.hash), Buffer.from(hash))) return 'unknown';
    if (row.revokedAt !== undefined) return 'revoked';
    const now = clock.now();
    const expiresAt = Date.parse(row.expiresAt);
    if (expiresAt <= now) return 'expired';
    if (row.cidrs.length > 0 && !networks(row.cidrs)(address)) return 'address';
    if (now - (touched.get(row.id) ?? 0) > TOUCH_MS) {
      touched.set(row.id, now);
      // A fault of this record must not keep the token from being used.
      rows.touch(row.id, new Date(now).toISOString()).catch(() => touched.delete(row.id));
    }
    return {
      principal: `token:${row.name}`,
      owner: row.owner,
      role: row.role,
      ...defined({ scope: row.scope }),
      mayApprove: row.role === 'approver',
      trustsClient: row.trustsClient,
      expiresAt: Math.floor(expiresAt / 1000),
    };
  };
}

/** Requests with one token share a read of its row that is in progress. Nothing is cached beyond that. */
function joined<T>(look: (id: string) => Promise<T>): (id: string) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  return (id) => {
    const answer = underWay.get(id) ?? look(id).finally(() => underWay.delete(id));
    underWay.set(id, answer);
    return answer;
  };
}

function idOf(hash: string): string {
  return `tok_${hash.slice(0, 16)}`;
}
