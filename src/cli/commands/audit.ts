import { openSigner } from '../../audit/checkpoint.ts';
import type { AuditLine } from '../../audit/record.ts';
import { rotateAudit } from '../../audit/rotate.ts';
import { type AuditProblem, type AuditVerification, tailAudit, verifyAudit } from '../../audit/verify.ts';
import { type AnchorVerification, readPublicKey, verifyAnchored } from '../../audit/verify-anchored.ts';
import { systemClock } from '../../core/clock.ts';
import { fail } from '../../core/errors/errors.ts';
import type { Settings } from '../../core/settings/settings.ts';
import { counted } from '../../core/text/text.ts';
import { localCaller } from '../lib/caller.ts';
import { recordNoticeIn } from '../lib/open.ts';
import { configure, type GlobalOptions, wholeNumber } from '../lib/options.ts';
import { type Exit, isForPeople, print, printJson, printResult, printRows, wantsJson } from '../terminal/output.ts';

interface VerifyOptions extends GlobalOptions {
  anchor?: string;
  publicKey?: string;
}

export type Verified = AuditVerification & { anchor?: AnchorVerification };

/** Verifies the audit, also against a file of checkpoints: the named one, else that of the settings. */
export async function verifyAuditOf(settings: Settings, { anchor, publicKey }: VerifyOptions = {}): Promise<Verified> {
  const { auditFile, dataDir, auditAnchor } = settings;
  const file = anchor ?? (auditAnchor?.kind === 'file' ? auditAnchor.path : undefined);
  if (file === undefined) {
    if (publicKey !== undefined) fail('invalid_arguments', '--public-key needs --anchor, which names the file of checkpoints.');
    return verifyAudit(auditFile);
  }
  return verifyAnchored(auditFile, dataDir, { file, ...(publicKey === undefined ? {} : { publicKey: readPublicKey(publicKey) }) });
}

/** `audit verify`: needs no credentials. Exit 1 when anything was changed or removed, or when there is no file. */
export async function verify(options: VerifyOptions): Promise<Exit> {
  const result = await verifyAuditOf(configure(options).settings, options);
  const { problems, recovered, count, file, head, anchor } = result;
  const ok = problems.length === 0 && (anchor?.problems ?? []).length === 0;
  if (!isForPeople()) {
    printJson({ ok, ...result });
    return ok ? 0 : 1;
  }
  for (const { file: name, line, problem } of [...recovered, ...problems] as AuditProblem[])
    print(`${name === undefined ? '' : `${name}, `}line ${line}: ${problem}`);
  for (const problem of anchor?.problems ?? []) print(`checkpoints: ${problem}`);
  if (ok) {
    print(`${counted(count, 'record')}, none changed: ${file}\nnewest: ${head}`);
    if (anchor?.newest) {
      const left = anchor.uncovered === 0 ? 'nothing is behind it' : `${anchor.uncovered} newer records are not covered yet`;
      print(`${anchor.checkpoints} checkpoints in ${anchor.file} match, the newest of ${anchor.newest.time}; ${left}`);
    }
  } else print(`NOT INTACT: ${file}. Keep the files and find out who changed them.`);
  return ok ? 0 : 1;
}

/** `audit rotate`: closes the file; the chain continues in a new one of the same name. */
export async function rotate(options: GlobalOptions): Promise<Exit> {
  const { settings } = configure(options);
  const { principal, owner, channel } = localCaller('cli');
  const { closed, from, to } = await rotateAudit(settings.auditFile, { principal, owner, channel }, systemClock);
  // The record brings a checkpoint that covers the closed file.
  if (settings.auditAnchor) await recordNoticeIn(settings, `closed: records ${from} to ${to}`);
  const text = `Records ${from} to ${to} are closed: ${closed}\nKeep it beside ${settings.auditFile}: verify needs both.`;
  printResult({ closed, from, to }, text);
  return 0;
}

/** `audit public-key`: prints the key that verifies the checkpoints elsewhere. Creates the key where none exists. */
export async function publicKey(options: GlobalOptions): Promise<Exit> {
  const { dataDir } = configure(options).settings;
  const pem = String(openSigner(dataDir).publicKey.export({ type: 'spki', format: 'pem' }));
  if (wantsJson()) printJson({ public_key: pem });
  else print(pem.trimEnd());
  return 0;
}

/** `audit tail`: the newest records, oldest first. */
export async function tail(options: GlobalOptions & { lines: string }): Promise<Exit> {
  const count = wholeNumber('--lines', options.lines, 1);
  const records = await tailAudit(configure(options).settings.auditFile, count);
  await printRows(records, ['#', 'time', 'what', 'operation', 'guest', 'who', 'outcome'], records.map(row));
  return 0;
}

function row(record: AuditLine): unknown[] {
  const guest = record.target ? `${record.target.name} ${record.target.vmid}`.trim() : '';
  const who = [record.principal, record.channel, record.client].filter(Boolean).join(' ');
  // The first sentence says what failed. JSON has the others.
  const ended = record.error
    ? `${record.error.code}: ${/^.*?[.!?](?=\s|$)/s.exec(record.error.message)?.[0] ?? record.error.message}`
    : [record.status, record.message].filter(Boolean).join(', ');
  return [record.seq, record.time.replace('T', ' ').slice(5, 19), record.kind, record.operation, guest, who, ended];
}
