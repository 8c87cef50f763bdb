import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import type { ApprovalMethod } from '../../core/plan/approval.ts';
import type { Result } from '../../core/result.ts';
import { isObject, type JsonObject } from '../../core/text/json.ts';
import { traced } from '../../core/trace.ts';
import { approvalWait } from '../../engine/approvals/approval-wait.ts';
import { splitCommon } from '../../engine/input/common.ts';
import type { Session } from '../../engine/session.ts';
import type { PerformOptions } from '../../engine/types.ts';
import type { Operation } from '../../operations/define.ts';
import { findOperation, nameOfOperation } from '../../operations/find.ts';
import { renderResult } from '../../render/result.ts';
import { localCaller } from '../lib/caller.ts';
import { type GlobalOptions, wholeNumber } from '../lib/options.ts';
import { openSession } from '../lib/session.ts';
import { type Exit, isForPeople, note, print, printJson, tell } from '../terminal/output.ts';
import { progressView } from '../terminal/progress.ts';
import { ask, hasTerminal, piped } from '../terminal/terminal.ts';

interface CallOptions extends GlobalOptions {
  args: string;
  dryRun?: true;
  approve?: string;
  reason?: string;
  wait: string;
}

/**
 * `call <operation>`: one operation, its result on stdout. Waits for the work to end, or as long as `wait_seconds` says; Ctrl-C ends
 * the wait, not the work. Arguments may hold what every tool takes (`dry_run`, `wait_seconds`, `reason`), as agents write them.
 */
export async function call(operation: string, options: CallOptions): Promise<Exit> {
  const raw = parseArgs(options.args === '-' ? await piped() : options.args);
  // The operation, which loads after this, checks one value with each schema: code that zod generates pays for itself after many.
  z.config({ jitless: true });
  const session = await openSession(options);
  const interrupt = new AbortController();
  let hasBegun = false;
  const progress = progressView();
  const onInterrupt = () => {
    progress.end();
    note(
      hasBegun
        ? 'Not waiting any longer. What was sent goes on in the cluster, and the next command finishes or reconciles the rest.'
        : 'Not waiting any longer. This command sent no change. A pending approval stays open until it is decided or expires.',
    );
    interrupt.abort(new Error('interrupted'));
  };
  process.once('SIGINT', onInterrupt);
  try {
    const name = `call ${nameOfOperation(operation) ?? 'unknown'}`;
    const parent = defined({ traceparent: process.env.TRACEPARENT, tracestate: process.env.TRACESTATE });
    return await traced({ name, kind: 'server', parent }, async () => {
      const known = await findOperation(operation);
      const { args, options: given } = known ? splitCommon(known, raw) : { args: raw, options: {} };
      const result = await perform(session, operation, args, {
        wait: 'end',
        ...given,
        waitForHuman: wholeNumber('--wait (seconds)', options.wait, 0),
        signal: interrupt.signal,
        onProgress: (shown) => {
          hasBegun = true;
          progress.show(shown);
        },
        ...defined({ dryRun: options.dryRun, approvalId: options.approve, reason: options.reason }),
      });
      progress.end();
      return show(result, known, session);
    });
  } finally {
    progress.end();
    process.removeListener('SIGINT', onInterrupt);
    // Closing waits for the work, which is what the user does not want; everything that must survive is on disk.
    if (interrupt.signal.aborted) process.exit(130);
    await session.close();
  }
}

/** On a terminal a human answers the question of an approval here. */
async function perform({ engine }: Session, operation: string, args: object, options: PerformOptions): Promise<Result> {
  const caller = localCaller('cli', { canAsk: { elicitation: false, terminal: hasTerminal() } });
  const result = await engine.perform(operation, args, caller, options);
  if (result.kind !== 'question') return result;
  const { approvalId, text } = result.question;
  tell(text);
  const typed = await traced(approvalWait(result.approval), () => ask('> '));
  return engine.perform(operation, args, caller, { ...options, answer: { approvalId, via: 'terminal', typed } });
}

async function show(result: Result, tables: Operation | undefined, session: Session): Promise<Exit> {
  const { structured, tabular } = renderResult(result, { demo: session.settings.demo, notices: session.notices(), tables });
  const asks = result.kind === 'approval_required' || result.kind === 'question';
  const how = asks ? { how_to_approve: howToApprove(result.approval.id, result.approval.method) } : {};
  if (isForPeople()) print((await import('../terminal/view.ts')).viewText({ ...tabular, ...how }));
  else printJson({ ...structured, ...how });
  if (result.kind === 'running')
    note(`The run continues. Follow it with: proxmox-mcp call get_task --args '{"run_id":"${result.run.id}"}'`);
  return asks ? 3 : 0;
}

function howToApprove(id: string, method: ApprovalMethod): string {
  if (method === 'human') return `A human runs in a terminal of their own: proxmox-mcp approvals approve ${id}`;
  if (method === 'terminal')
    return `Read the plan, then repeat the same call with: --approve ${id}. It asks you to type the name and VMID.`;
  return `After the user said yes, repeat the same call with: --approve ${id}`;
}

function parseArgs(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The message names the place, and might quote a secret: only the place is shown.
    const place = /position (\d+)/.exec((error as Error).message)?.[1];
    fail('invalid_json', `--args is not JSON${place === undefined ? '' : ` (at character ${Number(place) + 1})`}.`);
  }
  return isObject(value) ? (value as JsonObject) : fail('invalid_json', '--args must be one JSON object.');
}
