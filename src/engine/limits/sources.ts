import { asError } from '../../core/errors/errors.ts';
import { requestsOf, vmidsOf } from '../../core/plan/parts.ts';
import { isGuarded, nameOfSource, type Plan, type SourceGuest } from '../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { backupOwner, ownerOf } from '../../proxmox/guest/disks.ts';
import { type Guest, type GuestRow, isFree, listGuests, readGuest } from '../../proxmox/guest/guests.ts';
import type { BornAt } from './birth.ts';

/**
 * A plan with the guests whose disks it copies, as they are now. Its requests name them, so no operation can forget one: the source
 * of a clone, the owners of its disks, and the owner of a volume that is imported.
 */
export async function withSources(plan: Plan, api: ProxmoxReader, bornAt: BornAt): Promise<Plan> {
  const { sources: _former, savedAt, ...rest } = plan;
  const vmids = readBy(plan);
  if (vmids.length === 0) return rest;
  const rows = await listGuests(api);
  const births = savedAt === undefined ? undefined : await bornAt(vmids);
  const direct = await Promise.all(
    vmids.map(async (vmid) => {
      const isFormers = savedAt !== undefined && savedAt < (births?.get(vmid)?.at ?? 0);
      return isFormers ? { source: { vmid, template: false, gone: true as const }, guest: undefined } : look(vmid, rows, api);
    }),
  );
  const further = direct.flatMap(({ guest }) => guest?.disks.flatMap(({ owner }) => owner ?? []) ?? []);
  const others = [...new Set(further)].filter((vmid) => !vmids.includes(vmid));
  const seen = [...direct, ...(await Promise.all(others.map((vmid) => look(vmid, rows, api))))];
  const sources = seen.map(({ source }) => source).sort((a, b) => a.vmid - b.vmid);
  return { ...rest, sources, warnings: [...plan.warnings, ...warningsOf(plan, sources, rows)] };
}

/** VMIDs of the guests whose volumes the requests name. */
function readBy(plan: Plan): number[] {
  const own = vmidsOf(plan);
  const named = requestsOf(plan).flatMap(({ path, params }) => {
    const cloned = /^\/nodes\/[^/]+\/(?:qemu|lxc)\/(\d+)\/clone$/.exec(path)?.[1];
    const texts = Object.values(params).filter((value) => typeof value === 'string');
    const volumes = texts.flatMap((text) => text.split(',').map((part) => part.replace(/^(?:file|volume|import-from)=/, '')));
    return [...(cloned === undefined ? [] : [Number(cloned)]), ...volumes.flatMap((volid) => ownerOf(volid) ?? backupOwner(volid) ?? [])];
  });
  return [...new Set(named)].filter((vmid) => !own.includes(vmid));
}

async function look(vmid: number, rows: readonly GuestRow[], api: ProxmoxReader): Promise<{ source: SourceGuest; guest?: Guest }> {
  const row = rows.find((one) => one.vmid === vmid);
  if (row === undefined) return { source: { vmid, template: false, ...((await isFree(api, vmid)) ? { gone: true } : {}) } };
  const guest = await readGuest(api, row).catch((thrown) => {
    // Any other fault may be over at the next attempt, and then the plan would differ.
    if (['permission_denied', 'guest_not_found'].includes(asError(thrown).code)) return undefined;
    throw thrown;
  });
  if (guest === undefined) return { source: { vmid, template: row.template } };
  return { source: { vmid, template: guest.template, identity: guest.identity }, guest };
}

/** The warning before one guest's data is copied into another one. */
function warningsOf(plan: Plan, sources: readonly SourceGuest[], rows: readonly GuestRow[]): string[] {
  const paths = requestsOf(plan).map(({ path }) => path);
  const starts = paths.some((path) => path.endsWith('/status/start'));
  return sources
    .filter(({ template }) => !template)
    .flatMap((source) => {
      const name = nameOfSource(source);
      const isClone = paths.some((path) => path.endsWith(`/${source.vmid}/clone`));
      const runs = rows.find(({ vmid }) => vmid === source.vmid)?.status === 'running';
      return [
        ...(isClone ? [] : [`the new guest gets a copy of data of ${name}`]),
        ...(source.gone ? [`${name} is deleted, only its volumes remain`] : []),
        ...(isGuarded(source) ? [source.identity ? `${name} is protected` : `the token cannot read ${name}, which may be protected`] : []),
        ...(starts && runs ? [`${name} runs: the new guest starts as its twin, with the same names, keys and addresses inside`] : []),
      ];
    });
}
