import { isInPool } from '../../../core/guest.ts';
import type { GuestRun } from '../../../core/settings/policy.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';

/** The part of an answer that comes from inside the guest. */
export interface InsideAnswer {
  exit_code?: number;
  signal?: number;
  out?: string;
  err?: string;
  written?: boolean;
  notice?: string;
}

/** Whether a rule of the policy names the guest: all given keys must match. */
export function isFor({ match }: GuestRun, { vmid, tags, pool }: Pick<GuestRow, 'vmid' | 'tags' | 'pool'>): boolean {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  return (
    (match.vmid?.some(({ from, to }) => vmid >= from && vmid <= to) ?? true) &&
    (match.tag?.some((tag) => tags.some((one) => same(one, tag))) ?? true) &&
    (match.pool?.some((one) => isInPool(pool, one)) ?? true)
  );
}
