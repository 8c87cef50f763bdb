import { defined } from '../../../core/defined.ts';
import type { Caller } from '../../../core/people/caller.ts';
import { targetsOf } from '../../../core/plan/parts.ts';
import type { Plan } from '../../../core/plan/plan.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import { isoOf } from '../../../core/text/duration.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { plainText, withoutCommand } from '../../../core/text/text.ts';
import { matches } from '../../../core/text/wildcard.ts';
import type { TaskFilter } from '../../../operations/define.ts';
import { allPrivileges } from '../../../proxmox/access/privileges.ts';
import { unseenBy } from '../../../proxmox/access/unseen.ts';
import { listGuests } from '../../../proxmox/guest/guests.ts';
import { listNodes, noSuchNode } from '../../../proxmox/nodes.ts';
import { type TaskRow, tasksOf } from '../../../proxmox/task-list.ts';
import { guestCalled } from '../../input/guest-names.ts';
import { birthsIn } from '../../limits/birth.ts';
import { guestInScope, ownIn } from '../../limits/scope.ts';
import type { Ports } from '../../ports.ts';
import { logOf } from './log.ts';

/** Tasks whose log is read for one list. */
const WITH_LOG = 5;

/** Tasks of the nodes, the newest first, with the reason of each failure; those of guests outside the caller's scope are left out. */
export async function listTasks(filter: TaskFilter, caller: Caller, ports: Ports): Promise<JsonObject> {
  const { status, guest, node, limit, logLines } = filter;
  const { api } = ports.cluster;
  const vmid = guest === undefined ? undefined : await vmidOf(guest, caller, ports);
  const allNodes = await listNodes(api);
  const noNode = node === undefined ? undefined : noSuchNode(allNodes, node);
  const nodes = allNodes.filter((one) => one.online && (node === undefined || matches(one.node, node)));
  const query = { limit, failed: status === 'failed', running: status === 'running', ...defined({ vmid }) };
  const [lists, granted] = await Promise.all([Promise.all(nodes.map((one) => tasksOf(api, one.node, query))), allPrivileges(api)]);
  const rows = (await inScope(lists.flat(), caller, ports)).sort((a, b) => b.startedAt - a.startedAt).slice(0, limit);
  const notice = noNode ?? (rows.length === 0 && vmid !== undefined ? await noSuchGuest(vmid, ports) : undefined);
  const logs = await Promise.all(rows.slice(0, logLines > 0 ? WITH_LOG : 0).map(({ upid }) => logOf(upid, logLines, api).catch(() => [])));
  const runs = await runsOf(rows, caller, ports);
  const unseen = unseenBy(granted, ['tasks']);
  return {
    tasks: rows.map((row, index) => ({
      ...taskView(row),
      ...defined({ run_id: runs.get(row.upid), log: logs[index] }),
    })),
    ...defined({ notice }),
    ...(unseen.length > 0 ? { cannot_see: unseen } : {}),
  };
}

/** Without tasks a VMID may be a mistake; one of a guest that is gone keeps its tasks for a while. */
async function noSuchGuest(vmid: number, ports: Ports): Promise<string | undefined> {
  const guests = await listGuests(ports.cluster.api);
  return guests.some((guest) => guest.vmid === vmid) ? undefined : `No guest with VMID ${vmid} is visible, and no task of it.`;
}

function taskView(row: TaskRow): JsonObject {
  const isGuest = /^\d+$/.test(row.id);
  return {
    started: isoOf(row.startedAt).slice(0, 19),
    type: plainText(row.type, 40),
    ...(isGuest ? { vmid: Number(row.id) } : { id: plainText(row.id, 60) }),
    node: row.node,
    user: plainText(row.user, 80),
    ...(row.endedAt === undefined ? {} : { seconds: row.endedAt - row.startedAt }),
    status: row.exit === undefined ? 'running' : plainText(withoutCommand(row.exit), 300),
    upid: row.upid,
  };
}

/** Whether a caller may see a run: their own, or any for the operator. */
export function isOwn(run: Pick<RunRecord, 'principal'>, caller: Caller): boolean {
  return caller.isOperator || run.principal === caller.principal;
}

/** The runs that began these tasks, by UPID, where the caller may see them. */
async function runsOf(rows: readonly TaskRow[], caller: Caller, ports: Ports): Promise<ReadonlyMap<string, string>> {
  const { runs } = await ports.store();
  const upids = rows.map(({ upid }) => upid);
  const found = await runs.ofTasks(upids, ports.cluster.name);
  return new Map(found.filter((run) => isOwn(run, caller)).map(({ upid, id }) => [upid, id]));
}

async function inScope(rows: TaskRow[], { scope }: Caller, ports: Ports): Promise<TaskRow[]> {
  if (scope === undefined) return rows;
  const isOwn = ownIn(await listGuests(ports.cluster.api), scope, birthsIn(ports));
  const own = await Promise.all(rows.map(({ id, startedAt }) => isOwn(id, startedAt)));
  return rows.filter((_, index) => own[index]);
}

/** The VMID of a guest by VMID or exact name; a VMID may be that of a guest that is gone. @throws guest_not_found, ambiguous */
export async function vmidOf(guest: string, { scope }: Caller, ports: Ports): Promise<number> {
  if (/^\d+$/.test(guest)) return Number(guest);
  const guests = await listGuests(ports.cluster.api);
  return guestCalled(guest, 'its name', scope === undefined ? guests : guests.filter((one) => guestInScope(one, scope))).vmid;
}

export function nodesOf(plan: Plan): string[] {
  return [...targetsOf(plan).map(({ node }) => node), ...(plan.node === undefined ? [] : [plan.node])];
}
