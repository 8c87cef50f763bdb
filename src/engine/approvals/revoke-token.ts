import type { Audit } from '../../audit/writer.ts';
import type { Clock } from '../../core/clock.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { Store } from '../../store/index.ts';
import { isoNow } from '../ports.ts';
import { auditCaller } from '../records.ts';
import { recordDecision } from './decisions.ts';

const PAGE = 200;
const NOTE = 'the access token was revoked';

/**
 * Revokes a token, denies its pending approvals on each cluster of the store, and logs its owner out of the console. It needs no connection to a
 * cluster. A second call completes one that was interrupted.
 * @returns whether it was valid until now, and the ids of the approvals that this call denied
 * @throws invalid_arguments when there is no such token
 */
export async function revokeToken(
  name: string,
  caller: Caller,
  ports: { store: Store; audit: Audit; clock: Clock },
): Promise<{ revoked: boolean; denied: string[] }> {
  const { store, audit, clock } = ports;
  const token = (await store.tokens.byName(name)) ?? fail('invalid_arguments', `No token is named "${name.slice(0, 64)}".`);
  const revoked = await store.tokens.revoke(token.id, isoNow(clock));
  await store.sessions.removeOf(token.owner);
  const message = `access token ${name} (owner ${token.owner}) ${revoked ? 'is revoked' : 'was revoked before'}`;
  const { principal, owner, channel } = auditCaller(caller);
  await audit.append({ kind: 'notice', principal, owner, channel, message }, { durable: true });
  return { revoked, denied: await denyPending(`token:${name}`, caller, ports) };
}

async function denyPending(principal: string, caller: Caller, ports: { store: Store; audit: Audit; clock: Clock }): Promise<string[]> {
  const { store, clock } = ports;
  const denied: string[] = [];
  for (;;) {
    const { approvals } = await store.approvals.list({ principal, status: 'pending', limit: PAGE });
    if (approvals.length === 0) return denied;
    for (const approval of approvals) {
      const set = { decidedBy: caller.principal, note: NOTE, decidedAt: isoNow(clock) };
      // It may have been decided or expired since it was listed.
      if (!(await store.approvals.move(approval.id, 'pending', 'denied', set))) continue;
      await recordDecision({ ...approval, note: NOTE }, { caller, status: 'denied' }, ports);
      denied.push(approval.id);
    }
  }
}
