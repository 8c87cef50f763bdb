import type { Audit } from '../../audit/writer.ts';
import { systemClock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import type { Log } from '../../core/log.ts';
import { clustersOf, type Settings } from '../../core/settings/settings.ts';
import type { Store } from '../../store/index.ts';
import { localCaller } from './caller.ts';

// Opens the places that a command writes to. Each loads its code when it is called.

/** Bytes of lines that wait for a disk that is full. Later ones are dropped. */
const MAX_UNWRITTEN = 1 << 20;

/** Logs go to stderr: stdout belongs to the protocol or to the result. */
export async function openLog({ logLevel: level }: Settings): Promise<Log> {
  const { default: pino } = await import('pino');
  const destination = pino.destination({ dest: 2, sync: true, maxLength: MAX_UNWRITTEN });
  // A full disk below the log fails no call.
  destination.on('error', () => {});
  const log: Log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return log;
}

/** @param notice gets what the operator should know of the store. @throws store_unavailable */
export async function openStoreOf({ dataDir, databaseUrl }: Settings, notice: (text: string) => void): Promise<Store> {
  const { openStore } = await import('../../store/index.ts');
  return openStore({ dataDir, notice, ...defined({ databaseUrl }) });
}

/** The audit of these settings, with its second place where one is set. Touches nothing until the first record. */
export async function openAuditOf(settings: Settings, log: Log): Promise<Audit> {
  const { auditFile, auditAnchor: place, dataDir } = settings;
  const secrets = clustersOf(settings).flatMap(({ connection }) => connection.tokenSecret || []);
  const [{ openAudit }, anchors] = await Promise.all([import('../../audit/writer.ts'), place && import('../../audit/anchor.ts')]);
  return openAudit({
    file: auditFile,
    clock: systemClock,
    redact: (text) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '[redacted]'), text),
    ...(anchors && place ? { anchor: anchors.createAnchor({ place, auditFile, dataDir, clock: systemClock, log }) } : {}),
  });
}

/** Records what the operator did by a command, durably. */
export async function recordNotice(audit: Audit, message: string, cluster?: string): Promise<void> {
  const { principal, owner, channel } = localCaller('cli');
  await audit.append({ kind: 'notice', principal, owner, channel, ...defined({ cluster }), message }, { durable: true });
}

/** The same in the audit of these settings, which is closed again. */
export async function recordNoticeIn(settings: Settings, message: string, cluster?: string): Promise<void> {
  const audit = await openAuditOf(settings, await openLog(settings));
  await recordNotice(audit, message, cluster);
  await audit.close();
}
