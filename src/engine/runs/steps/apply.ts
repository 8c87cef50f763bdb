import { asError, ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { conditionText } from '../../../core/plan/condition-text.ts';
import { lanesOf } from '../../../core/plan/parts.ts';
import type { Condition, Step } from '../../../core/plan/plan.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import type { ProxmoxApi } from '../../../core/proxmox.ts';
import { openGate } from '../../../proxmox/gate.ts';
import { explained } from '../../calls/explain.ts';
import type { Ports } from '../../ports.ts';
import type { Progress } from '../../types.ts';
import { resolveStep } from '../outcome/resolve.ts';
import { endOfGuest, together } from './each-guest.ts';
import type { Ending } from './in-flight.ts';
import { Journal, LostRun, Unwritten } from './journal.ts';
import { execute, type Sending } from './steps.ts';
import { Turns } from './turns.ts';

/**
 * Sends the steps of a granted run and nothing else, journal first: those of one guest in their order, those of several guests side by side.
 * Also finishes a run that another process began: it skips steps that are done, and reconciles one that may have been sent from Proxmox's own records,
 * never repeating it.
 * @param maySend false: only reconcile what was begun; a step that was never sent ends the run of its guest
 */
export async function apply(
  run: RunRecord,
  options: { maySend: boolean; secrets: ReadonlyMap<string, string>; onProgress?: (progress: Progress) => void },
  ports: Ports,
): Promise<Ending> {
  const { api } = ports.cluster;
  const { steps, expected } = run.plan;
  const journal = new Journal(run, await ports.store(), ports);
  const secret = (id: string) => ports.vault.reveal(id, options.secrets.get(id));
  const sentBefore = new Set(journal.steps.map((s) => s.id));
  const progress = { done: 0, total: steps.length };
  const report = (message: string) => options.onProgress?.({ ...progress, message });
  const common = { api, sentBefore, journal, ports, secret, report, turns: new Turns(), maySend: options.maySend };
  const onDone = () => void progress.done++;
  // Requests that were in flight when their process ended go first: they are at Proxmox already.
  const isOpen = (lane: number) =>
    steps.some((step) => step.lane === lane && ['intent', 'sent'].includes(journal.find(step.id)?.state ?? ''));
  const lanes = lanesOf(steps).sort((a, b) => Number(isOpen(b)) - Number(isOpen(a)));
  const parts = lanes.length === 0 ? [steps] : lanes.map((lane) => steps.filter((step) => step.lane === lane));
  const ends = await Promise.allSettled(parts.map((part) => inOrder(part, common, onDone)));
  // Only once all have stopped: after a fault of the store any process may adopt the run, this one too.
  const thrown = ends.flatMap((end): unknown[] => (end.status === 'rejected' ? [end.reason] : []));
  if (thrown.length > 0) throw thrown.find((one) => one instanceof LostRun) ?? thrown[0];
  const errors = ends.map((end) => (end.status === 'fulfilled' ? end.value : undefined));
  const failed = errors.find((error) => error?.code === 'outcome_unknown') ?? errors.find((error) => error !== undefined);
  if (failed) {
    const ending = { status: statusOf(failed), steps: journal.steps };
    if (lanes.length === 0) return { ...ending, error: failed };
    const guests = lanes.map((lane, index) => endOfGuest(run, lane, journal.steps, errors[index]));
    return { ...ending, error: together(run, guests), each: true };
  }
  report('done');
  const unmet = await unmetOf(expected, journal.since, api);
  if (unmet.length > 0) ports.log.warn({ run: run.id, unmet }, 'an expected condition does not hold after the last step');
  return {
    status: 'succeeded',
    steps: unmet.length > 0 ? journal.steps.map((s, i, all) => (i < all.length - 1 ? s : { ...s, unmet })) : journal.steps,
  };
}

/**
 * Steps one after the other, until one fails.
 * @returns the error that ended them, none when all are done
 * @throws LostRun, Unwritten
 */
async function inOrder(
  steps: readonly Step[],
  { turns, ...common }: Omit<Sending, 'gate'> & { turns: Turns },
  onDone: () => void,
): Promise<ProxmoxMcpError | undefined> {
  const { journal, ports, sentBefore, secret } = common;
  const gate = openGate(
    steps.filter((s) => !sentBefore.has(s.id)),
    (step) => resolveStep(step, journal.steps, secret),
  );
  // The preconditions of a request that was already sent are not checked again: the request may have changed them.
  const begun = steps.findLastIndex((step) => sentBefore.has(step.id));
  for (const unit of unitsOf(steps)) {
    const last = unit.at(-1);
    const work = () => through(unit);
    const error = last?.kind === 'request' ? await turns.within(last, work) : await work();
    if (error) return error;
  }
  return undefined;

  async function through(unit: readonly Step[]): Promise<ProxmoxMcpError | undefined> {
    for (const step of unit) {
      if (step.kind === 'request' || steps.indexOf(step) >= begun) {
        const error = await endOf(step, { ...common, gate });
        if (error) {
          await keepEnd(journal, step, error);
          return error;
        }
      }
      onDone();
    }
    return undefined;
  }

  async function endOf(step: Step, sending: Sending): Promise<ProxmoxMcpError | undefined> {
    try {
      await execute(step, sending);
      return undefined;
    } catch (thrown) {
      if (thrown instanceof LostRun || thrown instanceof Unwritten) throw thrown;
      const ours = !(thrown instanceof ProxmoxMcpError);
      if (ours) ports.log.error({ run: journal.run.id, err: thrown }, 'a step failed inside the server');
      return ours && journal.find(step.id) ? faultAfterIntent(step, thrown) : explained(asError(thrown), ports);
    }
  }
}

/** Each request with the checks before it, which are made when its turn comes. */
function unitsOf(steps: readonly Step[]): Step[][] {
  const units: Step[][] = [[]];
  for (const step of steps) {
    units.at(-1)?.push(step);
    if (step.kind !== 'check') units.push([]);
  }
  return units.filter((unit) => unit.length > 0);
}

/** Writes the end of a guest while steps of others run: else a later process would search for a request that Proxmox has refused. */
async function keepEnd(journal: Journal, step: Step, error: ProxmoxMcpError): Promise<void> {
  const status = statusOf(error);
  journal.mark(step.id, status);
  const record = journal.find(step.id);
  if (step.lane !== undefined && record?.state === status) await journal.write({ exit: error.message, ...record });
}

function statusOf({ code }: ProxmoxMcpError): 'unknown' | 'failed' {
  return code === 'outcome_unknown' ? 'unknown' : 'failed';
}

/** Expected conditions that the cluster contradicts; conditions that cannot be seen do not count. */
async function unmetOf(expected: readonly Condition[], since: number, api: ProxmoxApi): Promise<string[]> {
  const holds = await Promise.all(expected.map((condition) => api.holds(condition, since).catch(() => undefined)));
  return expected.filter((_, index) => holds[index] === false).map(conditionText);
}

/** The request may be at Proxmox, and a fault of this server says nothing about its outcome. */
function faultAfterIntent(step: Step, cause: unknown): ProxmoxMcpError {
  return new ProxmoxMcpError('outcome_unknown', `${step.purpose}: the server failed while sending the request.`, { cause });
}
