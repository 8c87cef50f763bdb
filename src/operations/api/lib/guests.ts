import { fail } from '../../../core/errors/errors.ts';
import type { GuestIdentity } from '../../../core/guest.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { hiddenPools } from '../../../proxmox/access/pools.ts';
import { failMissing } from '../../../proxmox/access/privileges.ts';
import { backupOwner, ownerOf } from '../../../proxmox/guest/disks.ts';
import { type GuestRow, isFree, listGuests, locate, readGuest } from '../../../proxmox/guest/guests.ts';
import { readPreconditions } from '../../../proxmox/guest/migration.ts';
import { itemsOf } from '../../../proxmox/guest/property-strings.ts';
import type { ApiRequest } from './request.ts';

/** Parameters that name guests by VMID: `105`, `vm:105,ct:200`. */
const NAMING = ['vmid', 'vms', 'sid', 'resources', 'guest', 'target-vmid', 'source'];
const HA_MOVE = /^\/cluster\/ha\/resources\/\{sid\}\/(migrate|relocate)$/;
const ON_GUEST = /^\/nodes\/\{node\}\/(qemu|lxc)\/\{vmid\}(\/|$)/;

/**
 * The guests that a request names anywhere, and those that its object is about: policy, protection and scope apply to them.
 * @param object that it changes or deletes, such as a backup job or a rule of HA
 * @param owners of backups that it removes
 * @throws guest_not_found when it names a guest that does not exist; permission_denied for one that the token cannot see
 */
export async function guestsOf(
  api: ProxmoxReader,
  request: ApiRequest,
  object: JsonObject = {},
  owners: readonly number[] = [],
): Promise<GuestIdentity[]> {
  await checkPlace(api, request);
  const { path } = request.api;
  // The object may still name guests that are gone.
  const left = [...owners, ...leftBy(request), ...(isAboutGuests(path) ? namedIn(object) : []), ...(await inGroup(api, request))];
  const named = vmidsIn(request);
  const vmids = [...new Set([...named, ...left, ...(HA_MOVE.test(path) ? await movedAlong(api, named) : [])])];
  const jobs = path.startsWith('/cluster/backup') ? [object, changedBy(request, object)] : [];
  const hidden = await hiddenPools(
    api,
    jobs.flatMap(({ pool }) => (typeof pool === 'string' ? [pool] : [])),
  );
  // A node that reboots or shuts down takes its guests along.
  const downs = request.name === 'POST /nodes/{node}/status' ? request.at.node : undefined;
  const isIn = (row: GuestRow) =>
    vmids.includes(row.vmid) || jobs.some((job) => isOfJob(row, job, hidden)) || (row.node === downs && row.status !== 'stopped');
  if (vmids.length === 0 && downs === undefined && !jobs.some((job) => isForAll(job) || job.pool !== undefined)) return [];
  const rows = (await listGuests(api)).filter(isIn);
  for (const vmid of vmids.filter((one) => !rows.some((row) => row.vmid === one))) {
    // Volumes, backups and rights may outlive their guest.
    const mayBeGone = !api.limited && (request.api.method === 'DELETE' || left.includes(vmid));
    if (!mayBeGone) fail('guest_not_found', `No guest with VMID ${vmid} is visible.`);
    if (!(await isFree(api, vmid))) failMissing(`Seeing guest ${vmid}`, [{ path: `/vms/${vmid}`, privileges: ['VM.Audit'] }]);
  }
  return Promise.all(rows.map(async (row) => (await readGuest(api, row)).identity));
}

/** Guests that rules of HA move along with these. */
async function movedAlong(api: ProxmoxReader, vmids: readonly number[]): Promise<number[]> {
  const rows = (await listGuests(api)).filter(({ vmid }) => vmids.includes(vmid));
  const along = await Promise.all(rows.map((row) => readPreconditions(api, row).then(({ along }) => along)));
  return namedIn({ resources: along.flat().join(',') });
}

/** Guests that a group of HA binds to nodes, before Proxmox VE 9. The group does not name them. */
async function inGroup(api: ProxmoxReader, { api: { path }, at }: ApiRequest): Promise<number[]> {
  if (path !== '/cluster/ha/groups/{group}') return [];
  const resources = await api.get<{ sid?: string; group?: string }[]>('/cluster/ha/resources');
  return resources.flatMap(({ sid, group }) => (group === at.group ? namedIn({ sid }) : []));
}

/** A caller that is limited to some guests may not use methods about all of them. @throws forbidden_by_policy */
export function checkLimited(api: ProxmoxReader, { api: { method, path } }: ApiRequest): void {
  if (!api.limited || ON_GUEST.test(path)) return;
  fail('forbidden_by_policy', `This access token is limited to some guests, and ${method} ${path} is not about one of them.`, {
    hint: 'Tell the user. Only the operator can change the scope.',
  });
}

/** Refuses a path whose guest has another type or node. @throws guest_not_found */
async function checkPlace(api: ProxmoxReader, { api: { path }, at }: ApiRequest): Promise<void> {
  const type = ON_GUEST.exec(path)?.[1];
  if (type === undefined) return;
  const row = await locate(api, Number(at.vmid));
  if (row.type === type && row.node === at.node) return;
  fail('guest_not_found', `Guest ${at.vmid} is ${row.type} on ${row.node}, not ${type} on ${at.node}.`, {
    hint: `Use the method of ${row.type} with node ${row.node}.`,
  });
}

function vmidsIn({ api: { path }, at, params }: ApiRequest): number[] {
  const { upid, id } = at;
  const ofTask = /^UPID:(?:[^:]*:){5}(\d+):/.exec(upid ?? '')?.[1];
  // Of a replication job: `105-0`.
  const ofJob = path.includes('/replication') ? /^\d+/.exec(String(id ?? params.id))?.[0] : undefined;
  return [{ ...at, ...params }, { vmid: ofTask }, { vmid: ofJob }].flatMap(namedIn);
}

function namedIn(values: Readonly<Record<string, unknown>>): number[] {
  const texts = NAMING.flatMap((name) => itemsOf(String(values[name] ?? '')));
  return texts.flatMap((text) => (/^(?:(?:vm|ct):)?\d+$/.test(text) ? Number(text.replace(/^\w+:/, '')) : []));
}

/** The object of a guest's own method, or of a pool, has other values by these names. */
function isAboutGuests(path: string): boolean {
  return path.startsWith('/cluster/');
}

type Job = Readonly<Record<string, unknown>>;

/** The object as the request leaves it. */
function changedBy({ params }: ApiRequest, object: JsonObject): Job {
  const removed = itemsOf(String(params.delete ?? ''));
  return Object.fromEntries(Object.entries({ ...object, ...params }).filter(([name]) => !removed.includes(name)));
}

/** Whether a backup job is for all guests. Proxmox reads one that only excludes guests as one for the others. */
function isForAll({ all, pool, exclude }: Job): boolean {
  return String(all ?? '') === '1' || (pool === undefined && exclude !== undefined);
}

/** @param hidden pools in which a guest may be that is listed without one */
function isOfJob({ vmid, pool, node }: GuestRow, job: Job, hidden: ReadonlySet<string>): boolean {
  const isMember = job.pool !== undefined && (pool === job.pool || (pool === undefined && hidden.has(String(job.pool))));
  const takes = (isForAll(job) || isMember) && !itemsOf(String(job.exclude ?? '')).includes(String(vmid));
  return takes && (job.node === undefined || job.node === node);
}

/** Guests whose volume, backup or entry in the access list the request changes. These may exist without the guest. */
function leftBy({ api: { path }, at, params }: ApiRequest): number[] {
  const volume = String(at.volume ?? params.volume ?? '');
  const owner = ownerOf(volume) ?? backupOwner(volume);
  const granted = path === '/access/acl' ? /^\/vms\/(\d+)$/.exec(String(params.path ?? ''))?.[1] : undefined;
  return [...(owner === undefined ? [] : [owner]), ...(granted === undefined ? [] : [Number(granted)])];
}
