import { ProxmoxMcpError } from '../core/errors.ts';
import type { RequestStep } from '../core/plan.ts';
import type { ProxmoxApi } from '../core/proxmox.ts';
import type { StepRecord } from '../core/run.ts';
import type { Ports } from './ports.ts';

/** pveproxy gives a call 30 s; a task that does not exist after that will not appear any more. */
const APPEARS_WITHIN_SECONDS = 35;
export const CLOCK_SLACK_SECONDS = 5;
/** An outage is waited out: whoever gives up earlier knows nothing, and has to say so. */
const OUTAGE_SECONDS = 15 * 60;

/**
 * Finds out what became of a request whose answer is missing (596, a cut connection, a crash), from Proxmox's task list and the state of the
 * guest. It never sends anything.
 * @returns the step as `sent` (its task was found) or `done` (its effect is there)
 * @throws interrupted when there is no trace of it, outcome_unknown when nobody can tell
 */
export async function settle(
  step: RequestStep,
  record: StepRecord,
  api: ProxmoxApi,
  ports: Ports,
  report: (message: string) => void,
): Promise<StepRecord> {
  const since = Math.floor(Date.parse(record.at) / 1000) - CLOCK_SLACK_SECONDS;
  report(`${step.purpose}: no answer; looking for its traces`);
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    const found = await look(step, since, api);
    if (typeof found === 'object') return { ...record, ...found };
    const waited = api.serverTime() - since;
    if (found === 'nothing' && waited >= APPEARS_WITHIN_SECONDS + CLOCK_SLACK_SECONDS) {
      throw new ProxmoxMcpError('interrupted', `${step.purpose}: no answer came, and Proxmox shows neither its task nor its effect.`);
    }
    if (waited >= (found === 'no answer' ? OUTAGE_SECONDS : APPEARS_WITHIN_SECONDS + CLOCK_SLACK_SECONDS)) {
      throw new ProxmoxMcpError(
        'outcome_unknown',
        `${step.purpose}: no answer came, and what can be seen does not tell whether it took effect.`,
      );
    }
    await ports.clock.sleep(pauseMs);
  }
}

/** What can be seen now; `no answer`: Proxmox could not be asked, which tells nothing. */
async function look(
  step: RequestStep,
  since: number,
  api: ProxmoxApi,
): Promise<Pick<StepRecord, 'state' | 'upid' | 'exit'> | 'nothing' | 'hidden' | 'no answer'> {
  try {
    if (step.task) {
      const mentions = step.proof && 'vmid' in step.proof && String(step.proof.vmid) !== step.task.id ? String(step.proof.vmid) : undefined;
      const task = await api.findTask({ ...step.task, sinceEpoch: since, ...(mentions === undefined ? {} : { logMentions: mentions }) });
      if (task) return { state: 'sent', upid: task.upid };
    }
    const proven = step.proof ? await api.holds(step.proof, since) : undefined;
    if (proven === true) return { state: 'done', exit: 'proven by the state of the guest' };
    return proven === false ? 'nothing' : 'hidden';
  } catch {
    return 'no answer';
  }
}
