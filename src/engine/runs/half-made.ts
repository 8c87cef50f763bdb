import { defined } from '../../core/defined.ts';
import type { ProxmoxMcpError } from '../../core/errors/errors.ts';
import { requestsOf } from '../../core/plan/parts.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { sentence } from '../../core/text/text.ts';

/** Adds to an error the requests that are done and those that are not, and the calls that finish the guest or clean up. */
export function explain(
  { id, plan }: RunRecord,
  { steps, status }: Pick<RunRecord, 'steps' | 'status'>,
  error: ProxmoxMcpError,
): ProxmoxMcpError {
  const isDone = (id: string) => steps.some((record) => record.id === id && record.state === 'done');
  const requests = requestsOf(plan);
  const done = requests.filter(({ id }) => isDone(id)).map(({ purpose }) => purpose);
  if (done.length === 0 && plan.continues === undefined) return error;
  const notDone = requests.filter(({ id }) => !isDone(id)).map(({ purpose }) => purpose);
  const vmid = plan.demand?.vmid ?? plan.target?.vmid;
  const halfMade = status === 'failed' && (plan.continues !== undefined || plan.demand?.newGuests === 1);
  const finish = halfMade ? ' Call again with the same arguments. Only the missing steps are sent.' : '';
  const before = done.length > 0 ? ` Done before: ${done.join('; ')}.` : '';
  // All requests may be done where the wait after the last one failed.
  const after = notDone.length > 0 ? ` Not done: ${notDone.join('; ')}.` : '';
  return error.with({
    message: `${sentence(error.message)}${before}${after}`,
    hint: `${error.hint}${finish}${plan.cleanup ? ` To clean up${halfMade ? ' instead' : ''}: ${plan.cleanup}` : ''}`,
    details: {
      ...error.details,
      ...defined({ vmid }),
      done,
      ...(halfMade ? { unfinished: { run_id: id, not_done: notDone } } : { not_done: notDone }),
      ...defined({ cleanup: plan.cleanup }),
    },
  });
}
