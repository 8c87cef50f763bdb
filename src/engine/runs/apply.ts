import { conditionText } from '../../core/condition-text.ts';
import { asError, ProxmoxMcpError } from '../../core/errors.ts';
import type { Condition, Step } from '../../core/plan.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import type { RunRecord } from '../../core/run.ts';
import { openGate } from '../../proxmox/gate.ts';
import { explained } from '../explain.ts';
import type { Ports } from '../ports.ts';
import type { Progress } from '../types.ts';
import type { Ending } from './in-flight.ts';
import { Journal, LostRun, Unwritten } from './journal.ts';
import { resolveStep } from './resolve.ts';
import { execute } from './steps.ts';

/**
 * Sends the steps of a granted run and nothing else, journal first. Also finishes a run that another process began: steps that are done are
 * passed over, and one that may have been sent is reconciled from Proxmox's own records, never repeated.
 * @param maySend false: only reconcile what was begun; a step that was never sent ends the run
 */
export async function apply(
  run: RunRecord,
  options: { maySend: boolean; secrets: ReadonlyMap<string, string>; onProgress?: (progress: Progress) => void },
  ports: Ports,
): Promise<Ending> {
  const { api } = ports.cluster;
  const store = await ports.store();
  const journal = new Journal(run, store, ports);
  const secret = (id: string) => ports.vault.reveal(id, options.secrets.get(id));
  const sentBefore = new Set(journal.steps.map((s) => s.id));
  const gate = openGate(
    run.plan.steps.filter((s) => !sentBefore.has(s.id)),
    (step) => resolveStep(step, journal.steps, secret),
  );
  const total = run.plan.steps.length;
  // The preconditions of a request that was already sent are not checked again: the request may have changed them.
  const begun = run.plan.steps.findLastIndex((step) => sentBefore.has(step.id));
  for (const [index, step] of run.plan.steps.entries()) {
    if (index < begun && step.kind !== 'request') continue;
    const report = (message: string) => options.onProgress?.({ done: index, total, message });
    try {
      await execute(step, { api, gate, sentBefore, journal, ports, secret, report, maySend: options.maySend });
    } catch (thrown) {
      if (thrown instanceof LostRun || thrown instanceof Unwritten) throw thrown;
      const ours = !(thrown instanceof ProxmoxMcpError);
      if (ours) ports.log.error({ run: run.id, err: thrown }, 'a step failed inside the server');
      const error = ours && journal.find(step.id) ? faultAfterIntent(step, thrown) : await explained(asError(thrown), ports);
      const status = error.code === 'outcome_unknown' ? 'unknown' : 'failed';
      return { status, steps: journal.mark(step.id, status), error };
    }
  }
  options.onProgress?.({ done: total, total, message: 'done' });
  const unmet = await unmetOf(run.plan.expected, journal.since, api);
  if (unmet.length > 0) ports.log.warn({ run: run.id, unmet }, 'what was expected after the last step does not hold');
  return {
    status: 'succeeded',
    steps: unmet.length > 0 ? journal.steps.map((s, i, all) => (i < all.length - 1 ? s : { ...s, unmet })) : journal.steps,
  };
}

/** Expected conditions that the cluster contradicts; conditions that cannot be seen do not count. */
async function unmetOf(expected: readonly Condition[], since: number, api: ProxmoxApi): Promise<string[]> {
  const holds = await Promise.all(expected.map((condition) => api.holds(condition, since).catch(() => undefined)));
  return expected.filter((_, index) => holds[index] === false).map(conditionText);
}

/** The request may be at Proxmox, and a fault of this server says nothing about what became of it. */
function faultAfterIntent(step: Step, cause: unknown): ProxmoxMcpError {
  return new ProxmoxMcpError('outcome_unknown', `${step.purpose}: the server failed while sending the request.`, { cause });
}
