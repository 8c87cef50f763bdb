import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { nameIn } from '../../core/settings/settings.ts';
import { checkStanding } from '../../engine/approvals/standing.ts';
import type { StandingRequest } from '../../engine/types.ts';
import { missingClusters, namingMissing } from '../lib/missing.ts';
import { checkPassphrase, operator } from '../lib/operator.ts';
import { type GlobalOptions, onlyCluster, wholeNumber } from '../lib/options.ts';
import { withSession } from '../lib/session.ts';
import { type Exit, printResult, printRows, tell } from '../terminal/output.ts';
import { ask, needTerminal } from '../terminal/terminal.ts';

interface AddOptions extends GlobalOptions {
  operation: string;
  cluster?: string;
  tag?: string;
  pool?: string;
  uses: string;
  minutes: string;
  allowRaised?: true;
}

/** `approvals lease`: all standing approvals, open ones first. */
export function list(options: GlobalOptions): Promise<Exit> {
  return withSession(options, async (session) => {
    const [approvals, missing] = await Promise.all([session.engine.standing.list(), missingClusters(session)]);
    const rows = approvals.map((l) => [
      l.id,
      l.operations.join(', '),
      `${l.tag ? `tag ${l.tag}` : `pool ${l.pool}`}${session.engine.clusters.length > 0 ? ` of ${nameIn(l.cluster)}` : ''}`,
      l.raised ? 'graver plans too' : '',
      String(l.usesLeft),
      l.revokedAt ? 'revoked' : l.expiresAt,
      l.madeBy,
    ]);
    const head = ['id', 'operations', 'guests', 'covers', 'guests left', 'until', 'created by'];
    await printRows({ leases: approvals, ...namingMissing(missing) }, head, rows, 'No standing approvals.');
    return 0;
  });
}

/** `approvals lease add`: creates a standing approval, confirmed by a human in a terminal. */
export function add(options: AddOptions): Promise<Exit> {
  needTerminal(HUMAN_ONLY);
  return withSession(options, async (session) => {
    const request = {
      operations: options.operation.split(',').map((name) => name.trim()),
      uses: wholeNumber('--uses', options.uses, 1),
      minutes: wholeNumber('--minutes', options.minutes, 1),
      ...defined({ cluster: options.cluster, tag: options.tag, pool: options.pool }),
      ...(options.allowRaised ? { raised: true } : {}),
    };
    checkStanding(request);
    onlyCluster(session.settings, options.cluster);
    tell(standingText(request));
    const expected = `${request.tag ?? request.pool} ${request.uses}`;
    tell(`To approve, type: ${expected}`);
    if ((await ask('> ')).trim() !== expected) fail('approval_not_confirmed', 'Not confirmed. No standing approval was created.');
    await checkPassphrase(session.settings.dataDir, 'passphrase: ');
    const approval = await session.engine.standing.create(request, operator());
    const { id, expiresAt } = approval;
    printResult(approval, `Standing approval ${id}, until ${expiresAt}. Revoke it with: proxmox-mcp approvals lease revoke ${id}`);
    return 0;
  });
}

/** The text that the human reads before a standing approval. */
function standingText({ operations, cluster, tag, pool, uses, minutes, raised }: StandingRequest): string {
  const guests = tag === undefined ? `in pool ${pool} or a pool nested in it` : `with tag ${tag}`;
  const where = cluster === undefined ? '' : ` of the cluster ${cluster}`;
  const graver = 'plans that are graver than the operation itself, such as a stop by force, which cuts the power';
  return [
    `For ${minutes} minutes, without asking again: ${operations.join(', ')} on guests${where} ${guests}.`,
    `At most ${uses} guest${uses === 1 ? '' : 's'} in all: a call on five guests counts five.`,
    raised ? `Covered too: ${graver}.` : `Not covered: ${graver}.`,
    'Never covered: protected guests.',
  ].join('\n');
}

/** `approvals lease revoke ID` */
export function revoke(id: string, options: GlobalOptions): Promise<Exit> {
  needTerminal(HUMAN_ONLY);
  return withSession(options, async ({ engine }) => {
    await engine.standing.revoke(id, operator());
    printResult({ id, revoked: true }, `Standing approval ${id} is revoked.`);
    return 0;
  });
}

const HUMAN_ONLY = 'Only a human can create or revoke a standing approval, in a terminal.';
