import type { Audit } from '../../audit/writer.ts';
import { systemClock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { clustersOf, type Settings } from '../../core/settings/settings.ts';

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
