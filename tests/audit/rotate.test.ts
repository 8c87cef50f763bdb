import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rotateAudit } from '../../src/audit/rotate.ts';
import { tailAudit, verifyAudit } from '../../src/audit/verify.ts';
import { type Audit, openAudit } from '../../src/audit/writer.ts';
import { systemClock } from '../../src/core/clock.ts';

let folder: string;
let file: string;
let audit: Audit;
const by = { principal: 'local:1000', owner: 'local:1000', channel: 'cli' };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rotate-'));
  file = join(folder, 'audit.jsonl');
  audit = openAudit({ file, clock: systemClock });
});
afterEach(async () => {
  await audit.close();
  rmSync(folder, { recursive: true, force: true });
});
async function write(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await audit.append({ kind: 'intent', args: { index } }, { durable: false });
}
const rotate = () => rotateAudit(file, by, systemClock);
const lines = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n');
const rewrite = (path: string, all: string[]) => writeFileSync(path, all.map((line) => `${line}\n`).join(''));

/** Three files: records 1 to 6, 7 to 12, and from 13 on. */
async function three(): Promise<[string, string]> {
  await write(5);
  const first = await rotate();
  await write(4);
  const second = await rotate();
  await write(2);
  return [first.closed, second.closed];
}

test('the chain continues in the new file, and a server that is running continues with it', async () => {
  const [first, second] = await three();
  expect([basename(first), basename(second)]).toEqual(['audit.1-6.jsonl', 'audit.7-12.jsonl']);
  const [last, begin] = [JSON.parse(lines(first).at(-1) ?? ''), JSON.parse(lines(second)[0] ?? '')];
  expect(last).toMatchObject({ seq: 6, kind: 'rotated', status: 'closed', ...by });
  expect(begin).toMatchObject({ seq: 7, kind: 'rotated', status: 'opened', prev: last.hash, continues: 'audit.1-6.jsonl' });
  expect(await verifyAudit(file)).toMatchObject({ count: 15, problems: [], earlier: ['audit.1-6.jsonl', 'audit.7-12.jsonl'] });
  for (const path of [file, first, second]) expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(existsSync(`${file}.new`)).toBe(false);
});

test('the newest records are found across files', async () => {
  await three();
  expect((await tailAudit(file, 8)).map(({ seq }) => seq)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
  expect(await tailAudit(file, 100)).toHaveLength(15);
});

test('servers that write meanwhile lose nothing', async () => {
  const others = Array.from({ length: 3 }, () => openAudit({ file, clock: systemClock }));
  await write(1);
  await Promise.all([
    ...others.map(async (one) => {
      for (let i = 0; i < 40; i += 1) await one.append({ kind: 'intent' }, { durable: false });
    }),
    (async () => {
      for (let i = 0; i < 4; i += 1) await rotate();
    })(),
  ]);
  for (const one of others) await one.close();
  expect(await verifyAudit(file)).toMatchObject({ count: 1 + 120 + 8, problems: [] });
});

test('every line of every file is watched', async () => {
  const paths = [...(await three()), file];
  for (const path of paths) {
    const all = lines(path);
    const place = path === file ? undefined : basename(path);
    for (const index of all.keys()) {
      rewrite(path, all.with(index, (all[index] ?? '').replace(/"time":"2/, '"time":"3')));
      const { problems } = await verifyAudit(file);
      expect(
        problems.some((one) => one.line === index + 1 && one.file === place),
        `${path} line ${index + 1}`,
      ).toBe(true);
      // The newest line of all leaves a trace only in a checkpoint.
      if (path === file && index === all.length - 1) continue;
      rewrite(path, all.toSpliced(index, 1));
      expect((await verifyAudit(file)).problems.length, `${path} without line ${index + 1}`).toBeGreaterThan(0);
    }
    rewrite(path, all);
  }
  expect((await verifyAudit(file)).problems).toEqual([]);
});

test('a closed file that is gone, or exchanged, or grew, is a problem', async () => {
  const [first, second] = await three();
  renameSync(first, `${first}.away`);
  expect((await verifyAudit(file)).problems).toEqual([
    { line: 1, file: basename(second), problem: 'continues audit.1-6.jsonl, which is not beside it: records 1 to 6 cannot be checked' },
  ]);
  writeFileSync(first, readFileSync(second));
  expect((await verifyAudit(file)).problems.length).toBeGreaterThan(0);
  writeFileSync(first, `${readFileSync(`${first}.away`, 'utf8')}{"seq":7,"ti`);
  expect((await verifyAudit(file)).problems).toEqual([expect.objectContaining({ line: 7, file: basename(first) })]);
});

test('a crash after the last record, before the new file is in its place, loses nothing', async () => {
  await write(3);
  const { closed } = await rotate();
  // As it was before the last step: the closed file still stands in its place.
  renameSync(file, `${file}.new`);
  writeFileSync(file, readFileSync(closed));
  await write(2);
  expect(await verifyAudit(file)).toMatchObject({ count: 6, problems: [] });
  const again = await rotate();
  expect(basename(again.closed)).toBe('audit.1-7.jsonl');
  expect(await verifyAudit(file)).toMatchObject({ count: 8, problems: [] });
});

test('nothing to close, an empty file and a changed one stay as they are', async () => {
  await expect(rotate()).rejects.toMatchObject({ code: 'audit_invalid' });
  writeFileSync(file, '');
  await expect(rotate()).rejects.toMatchObject({ code: 'audit_invalid' });
  await write(2);
  const all = lines(file);
  const changed = all.with(1, (all[1] ?? '').replace('"index":1', '"index":7'));
  rewrite(file, changed);
  await expect(rotate()).rejects.toMatchObject({ code: 'audit_invalid' });
  expect(lines(file)).toEqual(changed);
});

test('a trail that does not exist is not closed, and the error says where to look', async () => {
  const missing = rotateAudit(join(folder, 'nowhere.jsonl'), by, systemClock);
  await expect(missing).rejects.toMatchObject({ code: 'audit_invalid', hint: expect.stringContaining('PROXMOX_AUDIT_FILE') });
});
