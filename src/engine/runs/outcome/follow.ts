import { defined } from '../../../core/defined.ts';
import { ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { provesAll, type RequestStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import type { ProxmoxApi } from '../../../core/proxmox.ts';
import { plainText, withoutCommand } from '../../../core/text/text.ts';
import { exitOf } from '../../../proxmox/tasks.ts';
import type { Ports } from '../../ports.ts';
import { logOf } from '../tasks/log.ts';

const LOG_LINES = 20;
/** A task that Proxmox does not know may appear again (a node's list is rotated); after this it does not. */
const GONE_SECONDS = 60;
const PAUSE_MS = 5_000;
/** The exit in the journal where no task reported one. */
export const PROVEN = 'proven by the state of the guest';

/**
 * Waits for the step's task to end and records how it ended. An answer without a status is not an outcome: then the state of the guest may prove it,
 * or the wait continues for the step's time.
 * @throws outcome_unknown when neither the task nor the state of the guest shows how it ended
 */
export async function follow(
  step: RequestStep,
  record: StepRecord,
  { api, ports, report }: { api: ProxmoxApi; ports: Pick<Ports, 'clock'>; report: (message: string) => void },
): Promise<StepRecord> {
  const upid = record.upid ?? '';
  const limit = step.task?.timeoutSeconds ?? 3600;
  const began = ports.clock.elapsed();
  const waited = () => (ports.clock.elapsed() - began) / 1000;
  const tell = () => {
    const seconds = Math.round(waited());
    if (seconds > 0) report(`${step.purpose}: ${seconds} s`);
  };
  let goneSince: number | undefined;
  report(`${step.purpose}: task ${upid}`);
  for (;;) {
    const left = limit - waited();
    const status = left > 0 ? await api.waitTask(upid, { timeoutSeconds: left, onPoll: tell }) : undefined;
    if (status?.exit !== undefined) return ended(step, record, status.exit, api);
    if (await isProven(step, record, api)) return { ...record, state: 'done', exit: PROVEN };
    if (!status?.unseen) throw unknown(`${step.purpose}: the task did not end within ${limit} s.`, CONTINUES, upid);
    goneSince = status.unseen.gone ? (goneSince ?? waited()) : undefined;
    if (goneSince !== undefined && waited() - goneSince >= GONE_SECONDS) {
      const why = plainText(status.unseen.why, 300);
      throw unknown(`${step.purpose}: Proxmox no longer knows its task, and the guest does not show its effect: ${why}`, LOOK, upid);
    }
    await ports.clock.sleep(PAUSE_MS);
  }
}

const CONTINUES = 'The task continues in Proxmox. Follow it with get_task.';
const LOOK = 'Check the guest with get_vm before you do anything else. Part of the work may be done, and a lock may remain.';

/** The state of a step whose task has ended. A killed worker says nothing: the proof decides. @throws outcome_unknown where it does not */
export async function ended(step: RequestStep, record: StepRecord, exit: string, api: ProxmoxApi): Promise<StepRecord> {
  const kind = exitOf(exit).kind;
  if (kind === 'ok') return { ...record, state: 'done', exit };
  const upid = record.upid ?? '';
  const log = await logOf(upid, LOG_LINES, api).catch(() => []);
  if (kind === 'warnings') return { ...record, state: 'done', exit, log };
  if (kind === 'failed') {
    const failed = { ...record, exit: withoutCommand(exit), log };
    return (await isKept(step, record, api)) ? { ...failed, ...KEPT } : { ...failed, state: 'failed' };
  }
  if (await isProven(step, record, api)) return { ...record, state: 'done', exit, log };
  throw unknown(`${step.purpose}: Proxmox's worker was killed (${exit}).`, LOOK, upid, log);
}

/** Proxmox called it a failure, but the configuration has the requested values. */
export const KEPT = { state: 'done', data: { kept: true } } as const;

/** Proxmox keeps, as pending, what it cannot apply to the running guest, and ends the request or its task with an error. */
export async function isKept(step: RequestStep, record: Pick<StepRecord, 'at'>, api: ProxmoxApi): Promise<boolean> {
  return step.proof?.kind === 'config' && provesAll(step) && isProven(step, record, api);
}

/** Whether the state of the guest shows the effect. A guest that cannot be read proves nothing. */
export async function isProven({ proof }: RequestStep, { at }: Pick<StepRecord, 'at'>, api: ProxmoxApi): Promise<boolean> {
  const since = Math.floor(Date.parse(at) / 1000) || 0;
  return proof !== undefined && (await api.holds(proof, since).catch(() => undefined)) === true;
}

function unknown(message: string, hint: string, upid: string, log?: string[]): ProxmoxMcpError {
  return new ProxmoxMcpError('outcome_unknown', message, { hint, details: { upid, ...defined({ log }) } });
}
