import type { Plan, RequestStep } from '../../core/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { failMissing, missingPrivileges, type Want } from '../../proxmox/privileges.ts';

/** What Proxmox VE 9.2 asks for one request on a guest; requests that are not listed here, Proxmox judges itself. */
const NEEDS: { method: RequestStep['method']; path: RegExp; privilege: string }[] = [
  {
    method: 'POST',
    path: /^\/nodes\/[^/]+\/(?:qemu|lxc)\/(\d+)\/status\/(?:start|stop|shutdown|reboot|reset|suspend|resume)$/,
    privilege: 'VM.PowerMgmt',
  },
  { method: 'DELETE', path: /^\/nodes\/[^/]+\/(?:qemu|lxc)\/(\d+)$/, privilege: 'VM.Allocate' },
];

/** Before a human is asked: a yes to what Proxmox refuses is asked in vain. @throws permission_denied */
export async function checkRights(plan: Plan, api: ProxmoxReader): Promise<void> {
  const made = plan.demand?.newGuests === 1 ? String(plan.demand.vmid) : undefined;
  const wants = plan.steps.flatMap((step): Want[] => {
    if (step.kind !== 'request') return [];
    return NEEDS.flatMap(({ method, path, privilege }) => {
      const vmid = method === step.method ? path.exec(step.path)?.[1] : undefined;
      // The rights on a guest that is only being made come with its pool.
      return vmid === undefined || vmid === made ? [] : [{ path: `/vms/${vmid}`, anyOf: [privilege] }];
    });
  });
  const missing = wants.length === 0 ? [] : await missingPrivileges(api, wants);
  const distinct = [...new Map(missing.map((one) => [`${one.path} ${one.privileges.join()}`, one])).values()];
  if (distinct.length > 0) failMissing(plan.summary, distinct);
}
