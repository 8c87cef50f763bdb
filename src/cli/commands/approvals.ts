import { defined } from '../../core/defined.ts';
import { asError, fail } from '../../core/errors/errors.ts';
import type { Caller } from '../../core/people/caller.ts';
import type { Result } from '../../core/result.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { setPassphrase } from '../../engine/approvals/passphrase.ts';
import type { Session } from '../../engine/session.ts';
import { compactText } from '../../render/compact.ts';
import { planView, renderResult } from '../../render/result.ts';
import { type MissingCluster, namingMissing } from '../lib/missing.ts';
import { checkPassphrase, newPassphrase, operator } from '../lib/operator.ts';
import { configure, type GlobalOptions } from '../lib/options.ts';
import { withSession } from '../lib/session.ts';
import { type Exit, note, printResult, printRows, tell } from '../terminal/output.ts';
import { progressView } from '../terminal/progress.ts';
import { ask, askHidden, needTerminal } from '../terminal/terminal.ts';

/** `approvals list` */
export function list(options: GlobalOptions & { status?: string }): Promise<Exit> {
  return withSession(options, async (session) => {
    const { approvals, missing } = await visibleApprovals(session, options.status);
    const caller = operator();
    const shows = caller.isOperator ? 'all' : `only what ${caller.principal} requested`;
    if (!caller.isOperator) note(`This list shows ${shows}. In a terminal of the operator it shows all.`);
    const head = ['id', 'status', 'summary', 'requester', 'requested', 'expires'];
    const rows = approvals.map((row) => [
      row.approval_id,
      row.status,
      row.cluster === undefined ? row.summary : `${row.cluster}: ${row.summary}`,
      row.requester,
      time(row.created_at),
      row.status === 'pending' ? time(row.expires_at) : '',
    ]);
    await printRows({ shows, approvals, ...namingMissing(missing) }, head, rows, none(options.status, caller));
    return 0;
  });
}

/** Without a terminal, the list leaves out what others requested. */
function none(status: string | undefined, { isOperator, principal }: Caller): string {
  const what = status ? `No approval is ${status}` : 'No approvals yet';
  return isOperator ? `${what}.` : `${what} among those that ${principal} requested.`;
}

/** `approvals show ID`: decides nothing, and needs no terminal. */
export function show(id: string, options: GlobalOptions): Promise<Exit> {
  return withSession(options, async (session) => {
    const result = await session.engine.perform('approve', { approval_id: id }, operator(), { dryRun: true });
    if (result.kind !== 'dry_run') fail('internal', 'Showing an approval must not decide it.');
    const row = (await visibleApprovals(session)).approvals.find(({ approval_id }) => approval_id === id);
    const view: JsonObject = { ...row, plan: planView(result.plan) };
    printResult(view, compactText(view));
    return 0;
  });
}

/** `approvals approve ID`: a human reads the plan in a terminal and types the guest's name. Then the plan is executed. */
export function approve(id: string, options: GlobalOptions): Promise<Exit> {
  needTerminal(
    'Approving needs a terminal, where a human reads the plan and types the name of the guest.',
    `Run \`proxmox-mcp approvals approve ${id}\` yourself in a terminal, without redirecting its input or its messages.`,
  );
  return withSession(options, async (session) => {
    const progress = progressView();
    const call = { wait: 'end' as const, onProgress: progress.show };
    const asked = await session.engine.perform('approve', { approval_id: id }, operator(), call).finally(progress.end);
    // Decided already: the answer is its outcome, perhaps after a wait.
    if (asked.kind !== 'question') return shown(asked, session);
    tell(asked.question.text);
    const typed = await ask('> ');
    const passphrase = asked.question.needsPassphrase && typed !== '' ? await askHidden('passphrase: ') : undefined;
    const answer = { approvalId: id, via: 'terminal' as const, typed, ...defined({ passphrase }) };
    const result = await session.engine.perform('approve', { approval_id: id }, operator(), { ...call, answer }).finally(progress.end);
    return shown(result, session);
  });
}

function shown(result: Result, session: Session): Exit {
  const { structured, text } = renderResult(result, { demo: session.settings.demo, notices: session.notices() });
  printResult(structured, text);
  return result.kind === 'approval_required' ? 3 : 0;
}

/** `approvals deny ID` */
export function deny(id: string, options: GlobalOptions & { reason?: string }): Promise<Exit> {
  return withSession(options, async (session) => {
    const args = { approval_id: id, ...defined({ reason: options.reason }) };
    const result = await session.engine.perform('deny', args, operator());
    const { structured, text } = renderResult(result, { demo: session.settings.demo });
    printResult(structured, text);
    return 0;
  });
}

/** `approvals passphrase`: from now on every decision on this machine asks for it. Changing it needs the old one. */
export async function passphrase(options: GlobalOptions): Promise<Exit> {
  needTerminal('Only a human can set a passphrase, in a terminal.');
  const { dataDir } = configure(options).settings;
  await checkPassphrase(dataDir, 'old passphrase: ');
  await setPassphrase(dataDir, await newPassphrase('new passphrase'));
  note('Keep it where agents cannot read it. A program with this passphrase and a terminal can decide.');
  printResult({ passphrase: 'set' }, 'The passphrase is set.');
  return 0;
}

/**
 * All approvals that this caller may see, cluster by cluster, newest first. A cluster that cannot be opened takes none from the others.
 * @throws what the first cluster failed with, where all failed
 */
export async function visibleApprovals(
  { engine }: Pick<Session, 'engine'>,
  status?: string,
): Promise<{ approvals: JsonObject[]; missing: MissingCluster[] }> {
  const { clusters } = engine;
  const found: JsonObject[] = [];
  if (clusters.length === 0) await eachPage(engine, { status }, (page) => found.push(...page));
  // Side by side: each that hangs takes its whole time.
  const parts = await Promise.all(
    clusters.map(async (cluster) => {
      const approvals: JsonObject[] = [];
      const failed = await eachPage(engine, { status, cluster }, (page) => approvals.push(...page)).catch(asError);
      return { approvals: approvals.map((approval) => ({ cluster, ...approval })), cluster, failed };
    }),
  );
  const missing = parts.flatMap(({ cluster, failed }) => (failed ? [{ cluster, message: failed.message }] : []));
  if (missing.length > 0 && missing.length === clusters.length) throw parts[0]?.failed;
  return { approvals: [...found, ...parts.flatMap(({ approvals }) => approvals)], missing };
}

/** The pages before one that cannot be read count. */
async function eachPage(
  engine: Session['engine'],
  asked: { status: string | undefined; cluster?: string },
  take: (page: JsonObject[]) => void,
): Promise<void> {
  let cursor: unknown;
  do {
    const args = { limit: 100, ...defined({ ...asked, cursor }) };
    const result = await engine.perform('list_approvals', args, operator());
    if (result.kind !== 'done') fail('internal', 'The operation list_approvals returned no result.');
    take((result.output.approvals ?? []) as JsonObject[]);
    cursor = result.output.next_cursor;
  } while (typeof cursor === 'string');
}

function time(value: unknown): string {
  return typeof value === 'string' ? value.replace('T', ' ').slice(5, 16) : '';
}
