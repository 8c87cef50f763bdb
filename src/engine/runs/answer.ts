import { defined } from '../../core/defined.ts';
import { asError, type ErrorCode, ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { type Result, runningResult } from '../../core/result.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { ChangeOperation } from '../../operations/define.ts';
import type { Hold } from '../limits/hold.ts';
import type { Ports } from '../ports.ts';
import { recorded } from '../records.ts';
import type { ChangeCall } from '../types.ts';
import { type Start, startRun } from './runner.ts';
import { withTold } from './told.ts';

/** Longer than any run, and the most that a timer takes. */
const FOREVER_MS = 2 ** 31 - 1;

/** Waits for a run as long as the caller wants. Cancelling the wait does not cancel the run. */
export async function waitFor(
  run: RunRecord,
  ended: Promise<RunRecord>,
  { wait, signal: cancelled }: { wait: number | 'end'; signal?: AbortSignal },
  ports: Ports,
): Promise<RunRecord> {
  if (wait === 'end' && !cancelled) return ended;
  const stop = new AbortController();
  const signal = cancelled ? AbortSignal.any([stop.signal, cancelled]) : stop.signal;
  const timedOut = ports.clock.sleep(wait === 'end' ? FOREVER_MS : wait * 1000, signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    const first = await Promise.race([ended, timedOut]);
    return first ?? (await (await ports.store()).runs.get(run.id)) ?? run;
  } finally {
    stop.abort();
  }
}

/**
 * Begins the run of a call, which takes over its reservation, and answers for it.
 * @returns undefined when another call used the approval at the same time
 */
export async function runHeld(
  start: Omit<Start, 'reservations'> & Pick<ChangeCall, 'operation'>,
  hold: Hold,
  ports: Ports,
): Promise<Result | undefined> {
  const started = await startRun({ ...start, reservations: hold.mine }, ports);
  if (!started) return undefined;
  hold.mine = [];
  return answerOf(started, start, ports);
}

/** The answer of the call that began a run: its outcome, or that it continues after the caller's time. */
export async function answerOf(
  { run, ended }: { run: RunRecord; ended: Promise<RunRecord> },
  { operation, options, deadline }: Pick<ChangeCall, 'operation' | 'options' | 'deadline'>,
  ports: Ports,
): Promise<Result> {
  return resultOf(await waitFor(run, ended, { wait: deadline.wait, ...defined({ signal: options.signal }) }, ports), operation, ports);
}

/** Faults of the reads behind an answer. They do not undo the work. */
const READ_FAULTS = [
  'unreachable',
  'proxmox_refused',
  'permission_denied',
  'authentication_failed',
  'certificate_untrusted',
  'certificate_changed',
];

/** The operation's answer for a run that ended well, from the state now, or that this state cannot be read. @throws what the report decided, such as task_failed */
export async function reported(run: RunRecord, operation: ChangeOperation, ports: Ports): Promise<JsonObject> {
  try {
    const output = await operation.report(ports.cluster.api, await withTold(run, operation, ports));
    return operation.output.parse(output) as JsonObject;
  } catch (thrown) {
    const { code, message } = asError(thrown);
    if (!READ_FAULTS.includes(code)) throw thrown;
    ports.log.warn({ run: run.id, err: thrown }, 'the state after a run could not be read');
    const notice = `All steps are done. The state afterwards could not be read: ${message} Look at it with get_vm or get_task.`;
    return { run_id: run.id, status: 'succeeded', notice };
  }
}

/** A run as the answer of a call: the operation's report, or that it continues. @throws the error that it ended with */
export async function resultOf(run: RunRecord, operation: ChangeOperation, ports: Ports): Promise<Result> {
  if (run.status === 'executing' && !run.error) return runningResult(run);
  if (run.error) {
    const error = new ProxmoxMcpError(run.error.code as ErrorCode, run.error.message, {
      hint: run.error.hint,
      ...defined({ details: run.error.details }),
    });
    recorded.add(error);
    throw error;
  }
  return { kind: 'done', output: await reported(run, operation, ports) };
}
