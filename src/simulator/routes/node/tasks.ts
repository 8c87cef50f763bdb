import { may } from '../../access/permissions.ts';
import { type Context, flag, integer, needed, nodeOf, type Routes, seconds, text, Wider } from '../../context.ts';
import { forbid, invalid } from '../../errors.ts';
import type { Task } from '../../model.ts';
import { interrupt } from '../../tasks.ts';

const UPID = /^UPID:[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8}:[^:\s]+:[^:\s]*:[^:\s]+:$/;
/** The log a node keeps of its tasks; older ones are only in their own files. */
const KEPT = 5_000;

function readUpid(context: Context): Task | undefined {
  const upid = needed(context, 'upid');
  if (!UPID.test(upid)) invalid({ upid: 'unable to parse worker upid' });
  const task = context.world.task(upid);
  return task?.node === nodeOf(context) ? task : undefined;
}

/** One's own tasks need no privilege; own means the same user and token. */
function isOwn(context: Context, task: { owner: string }): boolean {
  return task.owner === context.who.token;
}

function mayRead(context: Context, task: { owner: string }): void {
  const path = `/nodes/${nodeOf(context)}`;
  if (!isOwn(context, task) && !may(context.world, context.who, path, ['Sys.Audit'])) forbid(`${path}, Sys.Audit`);
}

function ownerParts(owner: string): Record<string, string> {
  const [user = '', tokenid] = owner.split('!');
  return { user, ...(tokenid === undefined ? {} : { tokenid }) };
}

function status(context: Context): unknown {
  const task = readUpid(context);
  if (!task) invalid({ upid: 'no such task' });
  mayRead(context, task);
  return {
    upid: task.upid,
    node: task.node,
    pid: task.pid,
    pstart: task.pstart,
    starttime: seconds(task.start),
    type: task.type,
    id: task.id,
    ...ownerParts(task.owner),
    status: task.state === 'done' ? 'stopped' : 'running',
    ...(task.state === 'done' ? { exitstatus: task.exit } : {}),
  };
}

function log(context: Context): Wider {
  const task = readUpid(context);
  const start = integer(context, 'start') ?? 0;
  const limit = integer(context, 'limit') ?? 50;
  const lines = task ? task.log.flatMap((line) => line.split('\n')) : ['unable to open file - No such file or directory'];
  if (task) mayRead(context, task);
  const shown = lines.slice(start, limit === 0 ? undefined : start + limit).map((t, index) => ({ n: start + index + 1, t }));
  return new Wider(shown.length > 0 || start > 0 ? shown : [{ n: 1, t: 'no content' }], { total: lines.length });
}

/** A row of a node's list; the list of active tasks names the owner whole. */
function row(task: Task): Record<string, unknown> {
  const common = {
    upid: task.upid,
    node: task.node,
    pid: task.pid,
    pstart: task.pstart,
    starttime: seconds(task.start),
    type: task.type,
    id: task.id,
  };
  if (task.state !== 'done') return { ...common, user: task.owner, status: 'RUNNING', saved: '0' };
  return { ...common, ...ownerParts(task.owner), endtime: seconds(task.end ?? task.start), status: task.exit };
}

const failed = (task: Task): boolean => task.exit !== undefined && task.exit !== 'OK' && !task.exit.startsWith('WARNINGS');

function ofStatus(task: Task, wanted: string[]): boolean {
  const kind = task.exit === 'OK' ? 'ok' : task.exit?.startsWith('WARNINGS') ? 'warning' : 'error';
  return wanted.includes(kind);
}

function list(context: Context): Wider {
  const { world, who } = context;
  const all = may(world, who, `/nodes/${nodeOf(context)}`, ['Sys.Audit']);
  const source = text(context, 'source') ?? 'archive';
  const [vmid, type, user] = [text(context, 'vmid'), text(context, 'typefilter'), text(context, 'userfilter')];
  const [since, until] = [integer(context, 'since'), integer(context, 'until')];
  const statuses = text(context, 'statusfilter')?.split(/[,;\s]+/);
  const found = world
    .tasks(KEPT)
    .filter(
      (task) =>
        task.node === nodeOf(context) &&
        (all || isOwn(context, task)) &&
        (source === 'all' || (source === 'active') === (task.state !== 'done')) &&
        (vmid === undefined || task.id === vmid) &&
        (type === undefined || task.type === type) &&
        (user === undefined || (task.owner.split('!')[0] as string).includes(user)) &&
        (since === undefined || seconds(task.start) >= since) &&
        (until === undefined || seconds(task.start) <= until) &&
        (!flag(context, 'errors') || failed(task)) &&
        (statuses === undefined || ofStatus(task, statuses)),
    );
  const start = integer(context, 'start') ?? 0;
  return new Wider(found.slice(start, start + (integer(context, 'limit') ?? 50)).map(row), { total: found.length });
}

function stop(context: Context): null {
  const task = readUpid(context);
  if (!task) invalid({ upid: 'no such task' });
  const path = `/nodes/${nodeOf(context)}`;
  if (!isOwn(context, task) && !may(context.world, context.who, path, ['Sys.Modify'])) forbid(`${path}, Sys.Modify`);
  interrupt(context.world, context.kinds, task, context.at);
  return null;
}

/** The cluster's recent tasks. A token compares its own id with the user's here: it sees nothing without Sys.Audit on /. */
function clusterTasks(context: Context): unknown {
  if (!may(context.world, context.who, '/', ['Sys.Audit'])) return [];
  return context.world.tasks(25).map((task) => {
    const done = task.state === 'done';
    const { pid: _pid, pstart: _pstart, saved: _saved, user: _user, ...rest } = row(task);
    return { ...rest, ...ownerParts(task.owner), saved: done ? '1' : '0', ...(done ? {} : { status: undefined }) };
  });
}

type LogRow = Record<string, unknown>;

/** Entries of a task in the cluster's log: its start, its change, its end. */
function logged(task: Task): LogRow[] {
  const common = { node: task.node, pid: task.pid, pri: 6, tag: 'pvedaemon', user: task.owner };
  const changes = task.kind === 'config' ? task.log.slice(0, 1) : [];
  const begun = [`starting task ${task.upid}`, ...changes].map((msg) => ({ ...common, time: seconds(task.start), msg }));
  if (task.state !== 'done') return begun;
  return [...begun, { ...common, time: seconds(task.end ?? task.start), msg: `end task ${task.upid}: ${task.exit}` }];
}

/** One's own entries, or all of them, newest first. */
function clusterLog(context: Context): LogRow[] {
  const { world, who } = context;
  const all = may(world, who, '/', ['Sys.Syslog']);
  const rows = world.tasks(KEPT).reverse().flatMap(logged);
  return rows
    .map((row, index): LogRow => ({ ...row, uid: String(index + 1), id: `${index + 1}:${row.node}` }))
    .filter((row) => all || row.user === who.token)
    .reverse()
    .slice(0, integer(context, 'max') ?? 50);
}

export const TASK_ROUTES: Routes = {
  'GET /cluster/log': clusterLog,
  'GET /nodes/{node}/tasks/{upid}': (context) => {
    readUpid(context);
    return [{ name: 'log' }, { name: 'status' }];
  },
  'GET /nodes/{node}/tasks': list,
  'GET /nodes/{node}/tasks/{upid}/status': status,
  'GET /nodes/{node}/tasks/{upid}/log': log,
  'DELETE /nodes/{node}/tasks/{upid}': stop,
  'GET /cluster/tasks': clusterTasks,
};
