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
  const by = (key: (approval: ApprovalRecord) => string, all: ApprovalRecord[]) => all.sort((a, b) => key(a).localeCompare(key(b)));
  return {
    pending: by(
      ({ expiresAt }) => expiresAt,
      each.flatMap(({ pending }) => pending),
    ).slice(0, PENDING_SHOWN),
    total: each.reduce((sum, { total }) => sum + total, 0),
    recent: by(
      ({ decidedAt, expiresAt }) => decidedAt ?? expiresAt,
      each.flatMap(({ recent }) => recent),
    )
      .reverse()
      .slice(0, DECIDED_SHOWN),
  };
}
