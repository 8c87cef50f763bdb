import type { ApprovalRecord } from '../../core/plan/approval.ts';
import type { Ports } from '../ports.ts';
import type { Watched } from '../types.ts';
import { expireApprovals } from './decisions.ts';

const PENDING_SHOWN = 200;
const DECIDED_SHOWN = 50;

/** The approvals of one cluster, for transports that poll. */
export async function watchedOn(ports: Ports): Promise<Watched> {
  const { approvals } = await ports.store();
  const { name: cluster } = ports.cluster;
  await expireApprovals(ports);
  const [{ approvals: pending, total }, recent] = await Promise.all([
    approvals.pending(cluster, PENDING_SHOWN),
    approvals.decided(cluster, DECIDED_SHOWN),
  ]);
  return { pending, total, recent };
}

/** Those of several clusters, in the order and number of one. */
export function joinedWatched(each: readonly Watched[]): Watched {
  const [only, another] = each;
  if (only && !another) return only;
  const decided = ({ decidedAt, expiresAt }: ApprovalRecord) => decidedAt ?? expiresAt;
  const pending = each.flatMap((one) => one.pending).sort((a, b) => a.expiresAt.localeCompare(b.expiresAt));
  const recent = each.flatMap((one) => one.recent).sort((a, b) => decided(b).localeCompare(decided(a)));
  const total = each.reduce((sum, one) => sum + one.total, 0);
  return { pending: pending.slice(0, PENDING_SHOWN), total, recent: recent.slice(0, DECIDED_SHOWN) };
}
