// npm run bench:audit: whether the audit at a million records is appended to as fast as at a hundred, and how fast it is verified.
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { load, workFolder } from '../scripts/bundled.mjs';
import { cpuOf, interleave, withSpread } from './measure.mjs';

const folder = workFolder();
const RECORDS = Number(process.argv[2] ?? 1_000_000);
const APPENDS = 200;

const { openAudit } = await load('src/audit/writer.ts', folder);
const { verifyAudit } = await load('src/audit/verify.ts', folder);
const { chain, GENESIS } = await load('src/audit/record.ts', folder);
const clock = { now: () => performance.timeOrigin + performance.now(), sleep: (ms) => new Promise((done) => setTimeout(done, ms)) };
const record = (index) => ({
  ...{ kind: 'read', operation: 'list_vms', channel: 'stdio', owner: 'local:1000', args: { limit: 10 }, status: 'ok', durationMs: 3 },
  principal: `bench:${Math.floor(index / 1000)}`,
});

/** A trail of that many records, as the writer writes them. */
function trailOf(count) {
  mkdirSync(join(folder, String(count)), { recursive: true });
  const file = join(folder, String(count), 'audit.jsonl');
  let head = GENESIS;
  for (let done = 0; done < count; ) {
    let text = '';
    for (const end = Math.min(done + 10_000, count); done < end; done++) {
      const next = chain(head, record(done), '2026-01-01T00:00:00.000Z');
      text += next.line;
      head = next.head;
    }
    appendFileSync(file, text);
  }
  return openAudit({ file, clock });
}

const [short, long] = [trailOf(100), trailOf(RECORDS)];
let principal = 0;
const append = (audit, durable) => async () => {
  const [began, before] = [performance.now(), cpuOf(process.pid)];
  // Reads are limited per principal.
  for (let n = 0; n < APPENDS; n++) await audit.append({ ...record(0), principal: `p${principal++ % 50}` }, { durable });
  return { wall: (performance.now() - began) / APPENDS, cpu: (cpuOf(process.pid) - before) / APPENDS };
};
const values = await interleave(7, {
  'append a read, after 100 records': append(short, false),
  [`append a read, after ${RECORDS} records`]: append(long, false),
  'append durably, after 100 records': append(short, true),
  [`append durably, after ${RECORDS} records`]: append(long, true),
});
for (const [what, { wall, cpu }] of Object.entries(values)) console.log(`${what}: ${withSpread(wall)} ms, ${withSpread(cpu)} CPU ms`);
await short.close();
await long.close();
const [began, before] = [performance.now(), cpuOf(process.pid)];
const { count, problems } = await verifyAudit(join(folder, String(RECORDS), 'audit.jsonl'));
const rate = (ms) => Math.round(count / (ms / 1000));
const [wall, cpu] = [performance.now() - began, cpuOf(process.pid) - before];
console.log(`verify ${count} records: ${rate(wall)} a second, ${rate(cpu)} a CPU second, ${problems.length} problems`);
