import { defined } from '../../../core/defined.ts';
import { asError, fail } from '../../../core/errors/errors.ts';
import type { Caller } from '../../../core/people/caller.ts';
import { demandsOf, requestsOf, vmidsOf } from '../../../core/plan/parts.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { plainText, withoutCommand } from '../../../core/text/text.ts';
import type { ControlPorts } from '../../../operations/define.ts';
import { findOperation } from '../../../operations/find.ts';
import { exitOf } from '../../../proxmox/tasks.ts';
import { birthsIn } from '../../limits/birth.ts';
import { checkTaskScope } from '../../limits/scope.ts';
import type { Ports } from '../../ports.ts';
import { reported, waitFor } from '../answer.ts';
import { isOwn, listTasks, nodesOf, vmidOf } from './list.ts';
import { logOf } from './log.ts';

/** Own runs that are searched for those that a filter wants. */
const SEARCHED = 200;
/** Lines of the log of a task that failed, where the caller does not say how many. */
const FAILURE_LINES = 8;

/** The objects of `get_task`: the caller's own runs, and any task of Proxmox by its UPID. */
export function taskPorts(caller: Caller, ports: Ports, signal: AbortSignal | undefined): ControlPorts['tasks'] {
  return {
    async recent({ status, guest, node, limit }) {
      const { runs } = await ports.store();
      const filtered = status !== undefined || guest !== undefined || node !== undefined;
      const whose = { cluster: ports.cluster.name, ...(caller.isOperator ? {} : { principal: caller.principal }) };
      const vmid = guest === undefined ? undefined : await vmidOf(guest, caller, ports);
      const fits = (run: RunRecord) =>
        (status === undefined || run.status === (status === 'failed' ? 'failed' : 'executing')) &&
        (vmid === undefined || vmidsOf(run.plan).includes(vmid)) &&
        (node === undefined || nodesOf(run.plan).includes(node));
      const recent = await runs.recent({ ...whose, limit: filtered ? SEARCHED : limit });
      return { runs: recent.filter(fits).slice(0, limit).map(brief) };
    },
    list: (filter) => listTasks(filter, caller, ports),
    async get({ upid, runId, waitSeconds = 0, logLines }) {
      const { api, name: cluster } = ports.cluster;
      const store = await ports.store();
      const run = runId === undefined ? await store.runs.byUpid(upid ?? '', cluster) : await store.runs.get(runId);
      const own = run && isOwn(run, caller) ? run : undefined;
      if (runId === undefined) {
        const query = { upid: upid ?? '', waitSeconds, logLines, signal };
        if (own) return describeTask(own, query, ports);
        if (caller.scope) await checkTaskScope(query.upid, caller.scope, api, birthsIn(ports));
        return taskNow(query, ports);
      }
      if (!own) fail('task_unknown', `Run ${runId} is not one of yours.`);
      if (own.cluster !== cluster)
        fail('task_unknown', `Run ${runId} is on the cluster ${own.cluster}, not on ${cluster}.`, {
          hint: 'Call get_task with that cluster. Tell the user if this server has no such cluster.',
        });
      if (own.status !== 'executing') return describe(await ports.watch.look(own, ports), ports, logLines ?? 0);
      const ended = ports.inFlight.runs.get(runId) ?? pollRun(runId, ports, waitSeconds);
      return describe(await waitFor(own, ended, { wait: waitSeconds, ...defined({ signal }) }, ports), ports, logLines ?? 0);
    },
  };
}

interface TaskQuery {
  upid: string;
  waitSeconds: number;
  logLines?: number | undefined;
  signal: AbortSignal | undefined;
}

/** A worker task as Proxmox shows it. */
async function taskNow({ upid, waitSeconds, logLines, signal }: TaskQuery, ports: Ports): Promise<JsonObject> {
  const { api } = ports.cluster;
  const status = waitSeconds > 0 ? await api.waitTask(upid, { timeoutSeconds: waitSeconds, ...defined({ signal }) }) : await api.task(upid);
  const now = status && !status.unseen ? status : await api.task(upid);
  const lines = logLines ?? (now.exit !== undefined && exitOf(now.exit).kind === 'failed' ? FAILURE_LINES : 0);
  return {
    upid: now.upid,
    status: now.running ? 'running' : 'stopped',
    ...(now.exit === undefined ? {} : { exit: plainText(withoutCommand(now.exit), 500) }),
    ...(lines > 0 ? { log: await logOf(now.upid, lines, api) } : {}),
  };
}

/** A task of a run of this server, with the status of the run. The run still has what Proxmox has forgotten. */
async function describeTask(run: RunRecord, query: TaskQuery, ports: Ports): Promise<JsonObject> {
  const { upid } = query;
  const step = run.steps.find((record) => record.upid === upid);
  const task = await taskNow(query, ports).catch((thrown) => {
    if (asError(thrown).code !== 'task_unknown' || step?.exit === undefined) throw thrown;
    return { upid, status: 'stopped', exit: plainText(withoutCommand(step.exit), 500) };
  });
  const { status } = (await (await ports.store()).runs.get(run.id)) ?? run;
  return { ...task, run_id: run.id, step: step?.id ?? '', run_status: status === 'executing' ? 'running' : status };
}

/** Waits for a run of another process: its row shows when it ended. */
export async function pollRun(id: string, ports: Ports, seconds: number): Promise<RunRecord> {
  const store = await ports.store();
  const deadline = ports.clock.now() + seconds * 1000;
  for (;;) {
    const run = (await store.runs.get(id)) ?? fail('task_unknown', `Run ${id} does not exist.`);
    if (run.status !== 'executing' || ports.clock.now() >= deadline) return run;
    await ports.clock.sleep(300);
  }
}

function brief(run: RunRecord): JsonObject {
  const vmid = demandsOf(run.plan)[0]?.vmid ?? run.plan.target?.vmid;
  return {
    run_id: run.id,
    operation: run.operation,
    status: run.status === 'executing' ? 'running' : run.status,
    ...defined({ vmid }),
    started_at: run.startedAt,
    ...defined({ ended_at: run.endedAt }),
  };
}

async function describe(run: RunRecord, ports: Ports, logLines: number): Promise<JsonObject> {
  const upid = run.steps.findLast((s) => s.upid !== undefined)?.upid;
  const operation = await findOperation(run.operation);
  const isReported = run.status === 'succeeded' && operation && 'report' in operation;
  const report = isReported ? await reported(run, operation, ports).catch(() => undefined) : undefined;
  return {
    ...brief(run),
    steps: requestsOf(run.plan).map(({ id }) => {
      const { state = 'not sent', exit, upid } = run.steps.find((record) => record.id === id) ?? {};
      return { id, state, ...(exit ? { exit: plainText(exit, 300) } : {}), ...defined({ upid }) };
    }),
    ...defined({ upid }),
    ...(run.error ? { error: run.error as unknown as JsonObject } : {}),
    ...(report ? { result: report } : {}),
    ...(upid !== undefined && logLines > 0 ? { log: await logOf(upid, logLines, ports.cluster.api) } : {}),
  };
}
