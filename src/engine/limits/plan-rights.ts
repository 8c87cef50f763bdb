import { requestsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { failMissing, type Missing, missingOf } from '../../proxmox/access/privileges.ts';
import { needsOf } from '../../proxmox/contract/plan-needs.ts';

/**
 * Each request of a plan against the token's own permissions, before a human is asked and before anything is sent: a yes to what Proxmox
 * refuses is asked in vain, and a plan that is refused in the middle leaves half of it.
 * @throws permission_denied
 */
export async function checkRights(plan: Plan, api: ProxmoxReader): Promise<void> {
  const requests = requestsOf(plan);
  if (requests.length === 0) return;
  const { need, made } = await needsOf(requests, api);
  const missing = (await missingOf(api, need)).map((one): Missing => {
    const vmid = /^\/vms\/(\d+)$/.exec(one.path)?.[1];
    // A right on the VMID of a guest that is created would help no other guest.
    return vmid !== undefined && made.has(vmid) ? { ...one, path: '/vms', isNew: true } : one;
  });
  if (missing.length > 0) failMissing(plan.summary, missing);
}
