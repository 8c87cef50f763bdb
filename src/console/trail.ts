import type { AuditLine } from '../audit/record.ts';
import { type AuditVerification, tailAudit, verifyAudit } from '../audit/verify.ts';
import { type AnchorVerification, verifyAnchored } from '../audit/verify-anchored.ts';
import { defined } from '../core/defined.ts';
import { asError } from '../core/errors/errors.ts';
import type { Settings } from '../core/settings/settings.ts';
import type { Json } from '../core/text/json.ts';
import { plainText } from '../core/text/text.ts';
import { textOf } from './read.ts';
import type { AuditRow, AuditView, VerificationView } from './wire.ts';

/** Records looked through, from the newest back, and rows shown of those that match. */
const SEARCHED = 2000;
const SHOWN = 200;
const PROBLEMS_SHOWN = 50;

interface AuditFilter {
  text?: string;
  kind?: string;
  operation?: string;
  principal?: string;
}

/** The newest records that match, newest first. A file that does not exist yet is an empty trail here; `verification` says that it is missing. */
export async function auditView(file: string, filter: AuditFilter): Promise<AuditView> {
  const lines = (await tailAudit(file, SEARCHED).catch(emptyWhenMissing)).reverse();
  const rows = lines.map(rowOf);
  const words = (filter.text ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const matching = rows.filter(
    (row, index) =>
      is(row.kind, filter.kind) &&
      is(row.operation, filter.operation) &&
      is(row.who, filter.principal) &&
      (words.length === 0 || contains(lines[index], words)),
  );
  return {
    rows: matching.slice(0, SHOWN),
    searched: rows.length,
    matching: matching.length,
    kinds: valuesOf(rows, ({ kind }) => kind),
    operations: valuesOf(rows, ({ operation }) => operation),
    principals: valuesOf(rows, ({ who }) => who),
  };
}

/** Checks every record against the one before it, and against the checkpoints where they are in a file. */
export async function verification(settings: Pick<Settings, 'auditFile' | 'dataDir' | 'auditAnchor'>): Promise<VerificationView> {
  const { auditFile: file, dataDir, auditAnchor } = settings;
  try {
    const checked: AuditVerification & { anchor?: AnchorVerification } =
      auditAnchor?.kind === 'file' ? await verifyAnchored(file, dataDir, { file: auditAnchor.path }) : await verifyAudit(file);
    const { count, head, recovered, anchor } = checked;
    const problems = [
      ...checked.problems.map(({ file: earlier, line, problem }) => ({
        where: `${earlier === undefined ? '' : `${earlier}, `}line ${line}`,
        problem,
      })),
      ...(anchor?.problems ?? []).map((problem) => ({ where: 'checkpoints', problem })),
    ];
    const shown = problems.slice(0, PROBLEMS_SHOWN).map(({ where, problem }) => ({ where, problem: plainText(problem, 300) }));
    const checkpoints = anchor && {
      checkpoints: anchor.checkpoints,
      uncovered: anchor.uncovered,
      ...defined({ newest: anchor.newest?.time }),
    };
    const intact = problems.length === 0;
    return { intact, count, head, file, problems: shown, recovered: recovered.length, ...defined({ anchor: checkpoints }) };
  } catch (thrown) {
    return { intact: false, count: 0, head: '', file, problems: [{ where: 'the file', problem: asError(thrown).message }], recovered: 0 };
  }
}

function is(value: string, wanted: string | undefined): boolean {
  return wanted === undefined || wanted === '' || value === wanted;
}

function contains(line: AuditLine | undefined, words: string[]): boolean {
  const text = JSON.stringify(line).toLowerCase();
  return words.every((word) => text.includes(word));
}

function valuesOf(rows: AuditRow[], pick: (row: AuditRow) => string): string[] {
  return [...new Set(rows.map(pick))].filter((value) => value !== '').sort();
}

function rowOf(line: AuditLine): AuditRow {
  const { seq, time, kind, operation, principal, client, channel, target, status, error, decidedVia } = line;
  const details: [string, string][] = [];
  const add = (name: string, value: Json | undefined, max = 600) => {
    if (value !== undefined) details.push([name, textOf(value, max)]);
  };
  add('error', error && `${error.code}: ${error.message}`);
  add('message', line.message);
  add('decided via', decidedVia);
  for (const request of line.requests ?? []) add('request', request);
  add('arguments', line.args);
  add('node', target?.node);
  for (const upid of line.upids ?? []) add('task', upid);
  add('approval', line.approvalId);
  add('standing approval', line.leaseId);
  add('run', line.runId);
  add('plan digest', line.planDigest);
  add('client', client, 120);
  add('duration', line.durationMs === undefined ? undefined : `${line.durationMs} ms`);
  add('torn line', line.fragment);
  add('continues', line.continues);
  add('hash', line.hash);
  return {
    seq,
    time,
    kind: plainText(kind, 40),
    operation: plainText(operation ?? '', 60),
    guest: target ? plainText(`${target.name} ${target.vmid}`, 100) : '',
    who: plainText(principal ?? '', 80),
    channel: plainText(channel ?? '', 20),
    status: plainText(status ?? '', 40),
    bad: error !== undefined || status === 'failed' || status === 'unknown' || decidedVia === 'relay',
    details,
  };
}

function emptyWhenMissing(error: NodeJS.ErrnoException): AuditLine[] {
  if (/No audit trail exists/.test(error.message)) return [];
  throw error;
}
