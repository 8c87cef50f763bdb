import { requestsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { failMissing, type Missing, missingOf } from '../../proxmox/access/privileges.ts';
import { needsOf } from '../../proxmox/contract/plan-needs.ts';

/**
 * Compares each request of a plan with the token's own permissions, before a human is asked and before anything is sent. An approval of what Proxmox
 * refuses would be in vain, and a refusal in the middle of a plan would leave half of it.
 * @throws permission_denied
 */
export async function checkRights(plan: Plan, api: ProxmoxReader): Promise<void> {
  const requests = requestsOf(plan);
  if (requests.length === 0) return;
  const { need, made } = await needsOf(requests, api);
  const missing = (await missingOf(api, need)).map((one): Missing => {
    const vmid = /^\/vms\/(\d+)$/.exec(one.path)?.[1];
    // A right on the VMID of a new guest would not help the next one.
    return vmid !== undefined && made.has(vmid) ? { ...one, path: '/vms', isNew: true } : one;
  });
  if (missing.length > 0) failMissing(plan.summary, missing);
}
