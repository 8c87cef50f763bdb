import type { Plan, RequestStep } from '../../core/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { privilegesOf } from '../../proxmox/access/option-privileges.ts';
import { failMissing, missingPrivileges, type Want } from '../../proxmox/access/privileges.ts';

/** The privileges that Proxmox VE 9.2 demands for one request on a guest; Proxmox itself checks requests that are not listed. */
const NEEDS: { method: RegExp; tail: RegExp; privileges: (step: RequestStep) => string[] }[] = [
  { method: /^POST$/, tail: /^\/status\/(?:start|stop|shutdown|reboot|reset|suspend|resume)$/, privileges: () => ['VM.PowerMgmt'] },
  { method: /^DELETE$/, tail: /^$/, privileges: () => ['VM.Allocate'] },
  { method: /^POST$/, tail: /^\/clone$/, privileges: () => ['VM.Clone'] },
  { method: /^PUT$/, tail: /^\/resize$/, privileges: () => ['VM.Config.Disk'] },
  {
    method: /^(?:POST|PUT)$/,
    tail: /^\/config$/,
    // Options of cloud-init are allowed by either of two privileges.
    privileges: ({ params }) => privilegesOf(Object.keys(params)).filter((privilege) => privilege !== 'VM.Config.Network'),
  },
];
const GUEST = /^\/nodes\/[^/]+\/(?:qemu|lxc)\/(\d+)(\/.*)?$/;

/** Before a human is asked: a yes to what Proxmox refuses is asked in vain. @throws permission_denied */
export async function checkRights(plan: Plan, api: ProxmoxReader): Promise<void> {
  const made = plan.demand?.newGuests === 1 ? String(plan.demand.vmid) : undefined;
  const wants = plan.steps.flatMap((step): Want[] => {
    const [, vmid, tail = ''] = (step.kind === 'request' && GUEST.exec(step.path)) || [];
    // The rights on a guest that is only being made come with its pool.
    if (step.kind !== 'request' || vmid === undefined || vmid === made) return [];
    const needs = NEEDS.filter((need) => need.method.test(step.method) && need.tail.test(tail));
    return needs.flatMap((need) => need.privileges(step).map((privilege) => ({ path: `/vms/${vmid}`, anyOf: [privilege] })));
  });
  const missing = wants.length === 0 ? [] : await missingPrivileges(api, wants);
  const distinct = [...new Map(missing.map((one) => [`${one.path} ${one.privileges.join()}`, one])).values()];
  if (distinct.length > 0) failMissing(plan.summary, distinct);
}
