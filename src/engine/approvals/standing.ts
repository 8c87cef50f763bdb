import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { isInPool, isTagged } from '../../core/guest.ts';
import type { Caller } from '../../core/people/caller.ts';
import { newGuestsOf, targetsOf } from '../../core/plan/parts.ts';
import { isGuarded, type Plan } from '../../core/plan/plan.ts';
import type { ChangeOperation } from '../../operations/define.ts';
import { nameOfOperation } from '../../operations/find.ts';
import { listGuests } from '../../proxmox/guest/guests.ts';
import type { StandingApproval } from '../../store/schema.ts';
import { newId } from '../ids.ts';
import { isoNow, type Ports } from '../ports.ts';
import { auditCaller } from '../records.ts';
import type { StandingRequest } from '../types.ts';

const MAX_MINUTES = 60;
const MAX_USES = 100;

/**
 * Creates a standing approval in a terminal. It covers the named operations on guests that carry the tag or are in the pool now.
 * @param request one of tag and pool is required
 */
export async function createStanding(request: StandingRequest, caller: Caller, ports: Ports): Promise<StandingApproval> {
  if (!caller.isOperator) fail('approval_needs_human', 'Only the operator can create a standing approval, in a terminal.');
  checkStanding(request);
  const store = await ports.store();
  const standing: StandingApproval = {
    id: newId('lse'),
    cluster: ports.cluster.name,
    operations: request.operations,
    ...defined({ tag: request.tag?.toLowerCase(), pool: request.pool }),
    usesLeft: request.uses,
    ...(request.raised ? { raised: true } : {}),
    madeBy: caller.principal,
    createdAt: isoNow(ports.clock),
    expiresAt: new Date(ports.clock.now() + request.minutes * 60_000).toISOString(),
  };
  await ports.audit.append(
    { kind: 'decision', operation: 'lease', ...auditCaller(caller), leaseId: standing.id, args: { ...request }, status: 'approved' },
    { durable: true },
  );
  await store.standing.add(standing);
  return standing;
}

/** Validates a request for a standing approval before a human is asked. */
export function checkStanding(request: StandingRequest): void {
  if ((request.tag === undefined) === (request.pool === undefined))
    fail('invalid_arguments', 'A standing approval must name either a tag or a pool.');
  if (!(request.minutes > 0 && request.minutes <= MAX_MINUTES))
    fail('invalid_arguments', `A standing approval lasts at most ${MAX_MINUTES} minutes.`);
  if (!(Number.isInteger(request.uses) && request.uses > 0 && request.uses <= MAX_USES))
    fail('invalid_arguments', `A standing approval has 1 to ${MAX_USES} uses, one for each guest.`);
  if (request.operations.length === 0) fail('invalid_arguments', 'A standing approval must name its operations.');
  const unknown = request.operations.filter((name) => nameOfOperation(name) === undefined);
  if (unknown.length > 0) fail('invalid_arguments', `Unknown operation: ${unknown.join(', ')}.`);
}

/** Revokes a standing approval; uses that were taken stay taken. */
export async function revokeStanding(id: string, caller: Caller, ports: Ports): Promise<void> {
  if (!caller.isOperator) fail('approval_needs_human', 'Only the operator can revoke a standing approval, in a terminal.');
  const { standing } = await ports.store();
  const revoked = await standing.revoke(id, ports.cluster.name, isoNow(ports.clock));
  if (!revoked) fail('approval_unknown', `Standing approval ${id} does not exist or has ended.`);
  await ports.audit.append(
    { kind: 'decision', operation: 'lease', ...auditCaller(caller), leaseId: id, status: 'denied' },
    { durable: true },
  );
}

/**
 * Takes a use for every guest of the plan from a standing approval that covers all of them by their live tag or pool; undefined without one. A
 * protected guest always needs an approval of its own, and so does a plan graver than its operation unless the standing approval covers those.
 */
export async function useStanding(plan: Plan, operation: ChangeOperation, ports: Ports): Promise<StandingApproval | undefined> {
  const targets = targetsOf(plan);
  // A new guest has no live tag or pool yet, also beside half-made ones that have.
  if (newGuestsOf(plan) > 0) return undefined;
  if (targets.length === 0 || targets.some((guest) => guest.protection) || plan.becomes?.protection || plan.sources?.some(isGuarded))
    return undefined;
  const isRaised = plan.effect !== operation.effect;
  const { api, name: cluster } = ports.cluster;
  const store = await ports.store();
  const now = isoNow(ports.clock);
  const open = await store.standing.open(cluster, now);
  const fitting = open.filter((one) => one.operations.includes(plan.operation) && (one.raised || !isRaised));
  if (fitting.length === 0) return undefined;
  const rows = await listGuests(api);
  const covers = (one: StandingApproval) =>
    targets.every(({ vmid }) => {
      const row = rows.find((r) => r.vmid === vmid);
      if (!row) return false;
      if (one.tag !== undefined) return isTagged(row.tags, one.tag);
      // Where the token may not see pools none is known, and the standing approval covers nothing.
      return one.pool !== undefined && isInPool(row.pool, one.pool);
    });
  for (const one of fitting.filter(covers)) if (await store.standing.use(one.id, targets.length, now)) return one;
  return undefined;
}
