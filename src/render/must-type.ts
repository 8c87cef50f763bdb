import { typedName } from '../core/guest.ts';
import type { ApprovalRecord } from '../core/plan/approval.ts';

/** The text that means yes: `web1 105`; for several guests their number and the first name, `3 web1`. */
export function mustTypeFor({ plan, id }: Pick<ApprovalRecord, 'plan' | 'id'>): string {
  const { target, targets } = plan;
  if (target && targets && targets.length > 1) return `${targets.length} ${target.name === '' ? target.vmid : target.name}`;
  return target ? typedName(target) : id;
}
