import { openAudit } from '../../src/audit/writer.ts';
import { systemClock } from '../../src/core/clock.ts';

// A process that writes: audit-writer FILE NAME COUNT. Bundled and spawned by audit-processes.test.ts.
const [file = '', principal = '', count = '0'] = process.argv.slice(2);
const audit = openAudit({ file, clock: systemClock });
for (let index = 0; index < Number(count); index += 1) {
  await audit.append({ kind: 'intent', operation: 'stop_vm', principal, args: { index } }, { durable: true });
}
await audit.close();
