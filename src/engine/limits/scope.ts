import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { isInPool, isTagged } from '../../core/guest.ts';
import type { Requester, Scope } from '../../core/people/caller.ts';
import { partsOf, requestsOf, targetsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { Operation } from '../../operations/define.ts';
import { sameToken } from '../../proxmox/access/remembered.ts';
import { type GuestRow, listGuests, tagsOf } from '../../proxmox/guest/guests.ts';
import type { VolumeRow } from '../../proxmox/storage.ts';
import type { BornAt } from './birth.ts';

/** The facts about a guest that a scope asks for. */
type Placed = Pick<GuestRow, 'pool' | 'tags'>;
/** The facts about a volume that say whose it is. */
type Owned = Pick<VolumeRow, 'vmid' | 'content' | 'ctime'>;

/** Whether a guest belongs to a scope: each kind that the scope names must fit, with one of its values. */
export function guestInScope({ pool, tags }: Partial<Placed>, scope: Scope): boolean {
  const inPools = scope.pools === undefined || scope.pools.some((p) => isInPool(pool, p));
  const tagged = scope.tags === undefined || scope.tags.some((t) => isTagged(tags ?? [], t));
  return inPools && tagged;
}

/** Whether an identity may use a cluster; where the environment describes the only one, that one is called ''. */
export function clusterInScope(name: string, scope: Scope | undefined): boolean {
  return scope?.clusters === undefined || scope.clusters.includes(name);
}

/** The scope within a cluster that belongs to it; absent where it covers all guests. */
export function withinCluster(scope: Scope | undefined): { scope?: Scope } {
  const { clusters: _clusters, ...guests } = scope ?? {};
  return Object.keys(guests).length === 0 ? {} : { scope: guests };
}

/**
 * Why a plan leaves the scope: a guest that it is about, or a pool or tag that it gives, is outside. Undefined when it does not.
 * @param rows live facts, as the server's own token sees them
 */
export function planOutOfScope(plan: Plan, rows: readonly GuestRow[], scope: Scope): string | undefined {
  const isOut = ({ vmid }: { vmid: number }) => !guestInScope(rows.find((row) => row.vmid === vmid) ?? {}, scope);
  const target = targetsOf(plan).find(isOut);
  if (target) return `guest ${target.vmid} is outside of it`;
  const source = plan.sources?.find(isOut);
  if (source) return `guest ${source.vmid}, whose disks it copies, is outside of it`;
  return partsOf(plan)
    .map((part) => givenOutOfScope(part, scope))
    .find((reason) => reason !== undefined);
}

/** The same for the pools and tags that the requests for a guest give it. */
function givenOutOfScope(plan: Plan, scope: Scope): string | undefined {
  const given = (name: string) =>
    requestsOf(plan)
      .map(({ params }) => params[name])
      .filter((value) => typeof value === 'string');
  const pools = [...given('pool'), ...given('poolid')];
  const foreign = pools.find((pool) => !guestInScope({ pool }, defined({ pools: scope.pools })));
  if (foreign !== undefined) return `pool ${foreign} is outside of it`;
  if (targetsOf(plan).length > 0 || plan.demand?.newGuests !== 1) return undefined;
  const tags = [...given('tags').flatMap(tagsOf), ...(plan.becomes?.tags ?? [])];
  const pool = pools.at(-1);
  if (guestInScope({ tags, ...defined({ pool }) }, scope)) return undefined;
  return `the new guest would be outside of it (${describe(scope)})`;
}

/** Whether a run of another principal is about guests outside the caller's scope: the caller must learn nothing of them. */
export function isForeign(run: RunRecord, { principal, scope }: Requester, rows: readonly GuestRow[]): boolean {
  return scope !== undefined && run.principal !== principal && planOutOfScope(run.plan, rows, scope) !== undefined;
}

/** @throws forbidden_by_policy when the plan leaves the scope */
export async function checkPlanScope(plan: Plan, scope: Scope | undefined, api: ProxmoxReader): Promise<void> {
  if (scope === undefined) return;
  const reason = planOutOfScope(plan, await listGuests(api), scope);
  if (reason !== undefined) refuseScope(scope, `, and ${reason}`);
}

/** @param why continues the sentence */
export function refuseScope(scope: Scope, why = ''): never {
  fail('forbidden_by_policy', `This access token is limited to ${describe(scope)}${why}.`, {
    hint: 'Tell the user. Only the operator can change the scope.',
  });
}

/**
 * A task of another caller is visible when it is about a guest of the scope: `UPID:node:pid:pstart:starttime:type:id:user:`.
 * @throws task_unknown
 */
export async function checkTaskScope(upid: string, scope: Scope, api: ProxmoxReader, bornAt: BornAt): Promise<void> {
  const [, , , , started = '', , id = ''] = upid.split(':');
  const isOwn = await ownIn(await listGuests(api), scope, bornAt);
  if (!(await isOwn(id, Number.parseInt(started, 16)))) fail('task_unknown', 'The scope of this access token contains no such task.');
}

/** Whether a backup or task of a VMID belongs to its present guest, and this to the scope. The time is in epoch seconds. */
export function ownIn(rows: readonly GuestRow[], scope: Scope, bornAt: BornAt) {
  const own = rows.filter((row) => guestInScope(row, scope));
  let births: ReturnType<BornAt> | undefined;
  return async (vmid: string, time: number | undefined): Promise<boolean> => {
    const row = own.find((guest) => String(guest.vmid) === vmid);
    if (row === undefined) return false;
    if (time === undefined) return true;
    births ??= bornAt(own.map((guest) => guest.vmid));
    const born = (await births).get(row.vmid);
    return born === undefined || time >= born.at;
  };
}

/**
 * Reads as if only the guests of the scope existed: the cluster's list shows no others, storages show no volumes of others, and a request
 * about another guest is answered like one about a guest that does not exist. Every operation reads through it, so that none can forget the scope.
 * It keeps the first list of guests, so it serves one call.
 */
export function readerInScope(api: ProxmoxReader, scope: Scope, bornAt: BornAt): ProxmoxReader {
  let known: Promise<ReturnType<typeof ownIn>> | undefined;
  const isOwn = async (vmid: string, time?: number): Promise<boolean> => {
    known ??= listGuests(api).then((rows) => ownIn(rows, scope, bornAt));
    return (await known)(vmid, time);
  };
  /** Disks and backups of other guests are as foreign as those guests: one could be imported. ISOs and images have no owner. */
  const ownVolumes = async (volumes: Owned[]): Promise<object[]> => {
    const own = await Promise.all(
      volumes.map(
        ({ vmid, content, ctime }) => vmid === undefined || vmid === null || isOwn(String(vmid), content === 'backup' ? ctime : undefined),
      ),
    );
    return volumes.filter((_, index) => own[index]);
  };
  /** Tasks about no guest, such as the download of a file, have no owner. */
  const ownTasks = async (tasks: { id?: string | number; starttime?: number }[]): Promise<object[]> => {
    const own = await Promise.all(tasks.map(({ id, starttime }) => !/^\d+$/.test(String(id)) || isOwn(String(id), starttime)));
    return tasks.filter((_, index) => own[index]);
  };
  const refuseForeign = async (vmid: string): Promise<void> => {
    if (!(await isOwn(vmid))) fail('guest_not_found', `No guest with VMID ${vmid} is visible to this access token.`);
  };
  const reader: ProxmoxReader = {
    cluster: api.cluster,
    limited: true,
    version: () => api.version(),
    changedLately: (vmid) => api.changedLately?.(vmid) ?? false,
    get: async <T>(...request: Parameters<ProxmoxReader['get']>): Promise<T> => {
      const [path] = request;
      const vmid = /^\/nodes\/[^/]+\/(?:qemu|lxc)\/(\d+)(?:\/|$)/.exec(path)?.[1];
      if (vmid !== undefined) await refuseForeign(vmid);
      const answer = await api.get<T>(...request);
      if (!Array.isArray(answer)) return answer;
      if (/^\/nodes\/[^/]+\/storage\/[^/]+\/content$/.test(path)) return (await ownVolumes(answer)) as T;
      if (/^\/nodes\/[^/]+\/tasks$/.test(path)) return (await ownTasks(answer)) as T;
      if (path !== '/cluster/resources') return answer;
      const rows: { type?: string; pool?: string; tags?: string }[] = answer;
      const isGuest = (type: string | undefined) => type === 'qemu' || type === 'lxc';
      return rows.filter(
        ({ type, pool, tags }) => !isGuest(type) || guestInScope({ tags: tagsOf(tags), ...defined({ pool }) }, scope),
      ) as T;
    },
  };
  return sameToken(reader, api);
}

/**
 * A new guest of a scope with one pool joins that pool, and of one with one tag carries it, unless the caller says otherwise. It becomes an
 * argument, so that an approval freezes it.
 */
export function withScopeDefaults(operation: Operation, given: JsonObject, scope: Scope | undefined): JsonObject {
  if (scope === undefined || !('reserves' in operation) || operation.reserves === undefined) return given;
  const { shape } = operation.input;
  const only = (values: string[] | undefined) => (values?.length === 1 ? values[0] : undefined);
  const [pool, tag] = [only(scope.pools), only(scope.tags)];
  return {
    ...(pool !== undefined && 'pool' in shape ? { pool } : {}),
    ...(tag !== undefined && 'tags' in shape ? { tags: [tag] } : {}),
    ...given,
  };
}

export function describe({ clusters = [], pools = [], tags = [] }: Scope): string {
  const any = (kind: string, values: string[]) => (values.length === 0 ? [] : [`${kind} ${values.join(' or ')}`]);
  return [...any('cluster', clusters), ...any('pool', pools), ...any('tag', tags)].join(' and ');
}
