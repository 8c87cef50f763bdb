import type { AuditLine } from '../engine/audit-record.ts';
import { tailAudit, verifyAudit } from '../engine/audit-verify.ts';
import { configure, type GlobalOptions } from './options.ts';
import { type Exit, isForPeople, print, printJson } from './output.ts';

/** `audit verify`: needs no credentials. Exit 1 when anything was changed, or when there is no file. */
export async function verify(options: GlobalOptions): Promise<Exit> {
  const result = await verifyAudit(configure(options).settings.auditFile);
  const ok = result.problems.length === 0;
  if (!isForPeople()) {
    printJson({ ok, ...result });
    return ok ? 0 : 1;
  }
  for (const { line, problem } of result.recovered) print(`line ${line}: ${problem}`);
  for (const { line, problem } of result.problems) print(`line ${line}: ${problem}`);
  print(
    ok
      ? `${result.count} records, none changed: ${result.file}\nnewest: ${result.head}`
      : `NOT INTACT: ${result.problems.length} of ${result.count} records: ${result.file}. Keep the file as it is and find out who changed it.`,
  );
  return ok ? 0 : 1;
}

/** `audit tail`: the newest records, oldest first. */
export async function tail(options: GlobalOptions & { lines: string }): Promise<Exit> {
  const records = await tailAudit(configure(options).settings.auditFile, Number(options.lines));
  if (!isForPeople()) {
    printJson(records);
    return 0;
  }
  const { table } = await import('./table.ts');
  print(table(['#', 'time', 'what', 'operation', 'guest', 'who', 'how it ended'], records.map(row)));
  return 0;
}

function row(record: AuditLine): unknown[] {
  const guest = record.target ? `${record.target.name} ${record.target.vmid}`.trim() : '';
  const who = [record.principal, record.channel, record.client].filter(Boolean).join(' ');
  const ended = record.error ? `${record.error.code}: ${record.error.message}` : [record.status, record.message].filter(Boolean).join(', ');
  return [record.seq, record.time.replace('T', ' ').slice(0, 19), record.kind, record.operation, guest, who, ended];
}
