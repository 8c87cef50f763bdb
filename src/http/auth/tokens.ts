import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { newSecret, sha256 } from '../../core/hash.ts';
import { networks } from '../../core/network.ts';
import type { Identity } from '../../mcp/identity.ts';
import type { Store } from '../../store/index.ts';

export const TOKEN_PREFIX = 'pmcp_';
/** How often (ms) a use of one token, or by one owner, is recorded. */
const USE_MS = 60_000;

/** A new access token: 256 random bits. Only its hash is kept, from which its id is derived, too. */
export function newToken(): { token: string; id: string; hash: string } {
  const token = `${TOKEN_PREFIX}${newSecret()}`;
  const hash = sha256(token);
  return { token, id: idOf(hash), hash };
}

/** Why a token is rejected; the caller learns only that it is invalid. */
export type TokenFault = 'unknown' | 'revoked' | 'expired' | 'address';

export function createTokenVerifier(rows: Pick<Store['tokens'], 'get' | 'touch'>, clock: Clock) {
  const touch = recorder((id, now) => rows.touch(id, now), clock);
  const rowOf = joined((id) => rows.get(id));
  return async (token: string, address: string): Promise<Identity | TokenFault> => {
    const hash = sha256(token);
    const row = await rowOf(idOf(hash));
    if (!row || !timingSafeEqual(Buffer.from(row.hash), Buffer.from(hash))) return 'unknown';
    if (row.revokedAt !== undefined) return 'revoked';
    const expiresAt = Date.parse(row.expiresAt);
    if (expiresAt <= clock.now()) return 'expired';
    if (row.cidrs.length > 0 && !networks(row.cidrs)(address)) return 'address';
    touch(row.id);
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

/** Records the uses of a key, once a minute. A fault does not keep it from being used; the next use is recorded then. */
export function recorder(record: (key: string, now: string) => Promise<void>, clock: Clock): (key: string) => void {
  const recorded = new Map<string, number>();
  return (key) => {
    const now = clock.now();
    if (now - (recorded.get(key) ?? 0) <= USE_MS) return;
    recorded.set(key, now);
    record(key, new Date(now).toISOString()).catch(() => recorded.delete(key));
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
