import type { Caller } from '../../core/caller.ts';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors.ts';
import { isInPool } from '../../core/guest.ts';
import { isGuarded, type Plan, targetsOf } from '../../core/plan.ts';
import type { ChangeOperation } from '../../operations/define.ts';
import { findOperation } from '../../operations/index.ts';
import { listGuests } from '../../proxmox/guests.ts';
import type { Lease } from '../../store/leases.ts';
import { newId } from '../ids.ts';
import { isoNow, type Ports } from '../ports.ts';
import { auditCaller } from '../records.ts';
import type { LeaseWish } from '../types.ts';

const MAX_MINUTES = 60;
const MAX_USES = 100;

/**
 * A standing yes for a few guests, minted out of band: it covers the named operations on guests that carry the tag or are in the pool now.
 * @param wish one of tag and pool is required
 */
export async function mintLease(wish: LeaseWish, caller: Caller, ports: Ports): Promise<Lease> {
  if (!caller.isOperator) fail('approval_needs_human', 'Only the operator can create a lease, in a terminal.');
  checkWish(wish);
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  const lease: Lease = {
    id: newId('lse'),
    cluster,
    operations: wish.operations,
    ...(wish.tag === undefined ? {} : { tag: wish.tag.toLowerCase() }),
    ...defined({ pool: wish.pool }),
    usesLeft: wish.uses,
    ...(wish.raised ? { raised: true } : {}),
    madeBy: caller.principal,
    createdAt: isoNow(ports.clock),
    expiresAt: new Date(ports.clock.now() + wish.minutes * 60_000).toISOString(),
  };
  await ports.audit.append(
    { kind: 'decision', operation: 'lease', ...auditCaller(caller), leaseId: lease.id, args: { ...wish }, status: 'approved' },
    { durable: true },
  );
  await store.leases.add(lease);
  return lease;
}

/** Whether a lease may look like this; asked before a human is. */
export function checkWish(wish: LeaseWish): void {
  if ((wish.tag === undefined) === (wish.pool === undefined)) fail('invalid_arguments', 'A lease must name either a tag or a pool.');
  if (!(wish.minutes > 0 && wish.minutes <= MAX_MINUTES)) fail('invalid_arguments', `A lease lasts at most ${MAX_MINUTES} minutes.`);
  if (!(Number.isInteger(wish.uses) && wish.uses > 0 && wish.uses <= MAX_USES))
    fail('invalid_arguments', `A lease has 1 to ${MAX_USES} uses, one for each guest.`);
  if (wish.operations.length === 0) fail('invalid_arguments', 'A lease must name its operations.');
  const unknown = wish.operations.filter((name) => findOperation(name) === undefined);
  if (unknown.length > 0) fail('invalid_arguments', `Unknown operation: ${unknown.join(', ')}.`);
}

/** Takes back a lease; uses that were taken stay taken. */
export async function revokeLease(id: string, caller: Caller, ports: Ports): Promise<void> {
  if (!caller.isOperator) fail('approval_needs_human', 'Only the operator can revoke a lease, in a terminal.');
  const { name: cluster } = ports.cluster;
  const { leases } = await ports.store();
  const revoked = await leases.revoke(id, cluster, isoNow(ports.clock));
  if (!revoked) fail('approval_unknown', `Lease ${id} does not exist or has ended.`);
  await ports.audit.append(
    { kind: 'decision', operation: 'lease', ...auditCaller(caller), leaseId: id, status: 'denied' },
    { durable: true },
  );
}

/**
 * Takes a use for every guest of the plan from a lease that covers all of them by their live tag or pool; undefined when there is none.
 * A protected guest is always asked about, and a plan graver than its operation unless the lease says that it covers those.
 */
export async function takeLease(plan: Plan, operation: ChangeOperation, ports: Ports): Promise<Lease | undefined> {
  const targets = targetsOf(plan);
  if (targets.length === 0 || targets.some((guest) => guest.protection) || plan.sources?.some(isGuarded)) return undefined;
  const isRaised = plan.effect !== operation.effect;
  const { api, name: cluster } = ports.cluster;
  const store = await ports.store();
  const now = isoNow(ports.clock);
  const open = await store.leases.open(cluster, now);
  const fitting = open.filter((lease) => lease.operations.includes(plan.operation) && (lease.raised || !isRaised));
  if (fitting.length === 0) return undefined;
  const rows = await listGuests(api);
  const covers = (lease: Lease) =>
    targets.every(({ vmid }) => {
      const row = rows.find((r) => r.vmid === vmid);
      if (row === undefined) return false;
      if (lease.tag !== undefined) return row.tags.some((tag) => tag.toLowerCase() === lease.tag);
      // Where the token may not see pools none is known, and the lease covers nothing.
      return lease.pool !== undefined && isInPool(row.pool, lease.pool);
    });
  for (const lease of fitting.filter(covers)) if (await store.leases.use(lease.id, targets.length, now)) return lease;
  return undefined;
}
