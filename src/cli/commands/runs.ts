import { fail } from '../../core/errors/errors.ts';
import { vmidsOf } from '../../core/plan/parts.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { clusterPrefix } from '../../core/settings/settings.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { missingClusters, namingMissing } from '../lib/missing.ts';
import { operator } from '../lib/operator.ts';
import type { GlobalOptions } from '../lib/options.ts';
import { withSession } from '../lib/session.ts';
import { type Exit, printResult, printRows } from '../terminal/output.ts';
import { needTerminal } from '../terminal/terminal.ts';

/** `runs list`: runs whose outcome is unknown, the oldest first. */
export function list(options: GlobalOptions): Promise<Exit> {
  return withSession(options, async (session) => {
    const [open, missing] = await Promise.all([session.engine.openRuns.list(), missingClusters(session)]);
    const runs = open.map(rowOf);
    const rows = runs.map((run) => [run.run_id, run.summary, run.vmids, run.principal, run.started_at]);
    const none = missing.length === 0 ? 'The outcome of every run is known.' : 'The outcome of every run on the other clusters is known.';
    await printRows({ runs, ...namingMissing(missing) }, ['id', 'what', 'guests', 'sent for', 'began'], rows, none);
    return 0;
  });
}

/** `runs close ID`: the operator, who looked at the guest, says how the request ended. */
export function close(id: string, { outcome, ...options }: GlobalOptions & { outcome: string }): Promise<Exit> {
  if (outcome !== 'done' && outcome !== 'not-done') {
    fail('invalid_arguments', `--outcome ${outcome.slice(0, 40)} is neither done nor not-done.`, {
      hint: 'Check the guest in Proxmox, then use done or not-done.',
    });
  }
  needTerminal(
    'Closing a run needs a terminal, and a human who has checked the guest.',
    `Run \`proxmox-mcp runs close ${id} --outcome ${outcome}\` yourself in a terminal.`,
  );
  return withSession(options, async ({ engine }) => {
    const run = await engine.openRuns.close(id, outcome, operator());
    const text = `Run ${run.id} ends as ${run.status}. Its names and VMIDs are free for other guests.`;
    printResult({ run_id: run.id, status: run.status }, text);
    return 0;
  });
}

function rowOf(run: RunRecord): JsonObject & Record<'run_id' | 'summary' | 'vmids' | 'principal' | 'started_at', string> {
  return {
    run_id: run.id,
    operation: run.operation,
    summary: `${clusterPrefix(run.cluster)}${run.plan.summary}`,
    vmids: vmidsOf(run.plan).join(', '),
    principal: run.principal,
    started_at: run.startedAt,
    ...(run.error ? { message: run.error.message } : {}),
  };
}
