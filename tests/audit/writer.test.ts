import { execFileSync } from 'node:child_process';
import fs, {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AuditRecord } from '../../src/audit/record.ts';
import { tailAudit, verifyAudit } from '../../src/audit/verify.ts';
import { type Audit, type AuditOptions, openAudit } from '../../src/audit/writer.ts';
import { systemClock } from '../../src/core/clock.ts';

let folder: string;
let file: string;
const opened: Audit[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
  file = join(folder, 'audit.jsonl');
});
afterEach(async () => {
  for (const audit of opened.splice(0)) await audit.close();
  rmSync(folder, { recursive: true, force: true });
});

function audit(options: Partial<AuditOptions> = {}): Audit {
  const one = openAudit({ file, clock: systemClock, ...options });
  opened.push(one);
  return one;
}
const record = (index: number, kind: AuditRecord['kind'] = 'intent'): AuditRecord => ({
  kind,
  operation: 'stop_vm',
  principal: 'local:1000',
  args: { index, note: 'grüße 🙂' },
});
async function write(count: number, one = audit()): Promise<void> {
  for (let index = 0; index < count; index += 1) await one.append(record(index), { durable: false });
}
const lines = () => readFileSync(file, 'utf8').trimEnd().split('\n');
const rewrite = (all: string[]) => writeFileSync(file, `${all.join('\n')}\n`);

describe('writing', () => {
  test('nothing exists before the first append', async () => {
    const one = audit({ file: join(folder, 'deep/er/audit.jsonl') });
    await one.close();
    expect(() => readFileSync(join(folder, 'deep'))).toThrow(/ENOENT/);
  });

  test('lines are numbered, timed and chained, and the file is private', async () => {
    await write(3);
    const parsed = lines().map((line) => JSON.parse(line));
    expect(parsed.map((line) => line.seq)).toEqual([1, 2, 3]);
    expect(parsed[1].prev).toBe(parsed[0].hash);
    expect(parsed[0].time).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(await verifyAudit(file)).toEqual({ file, count: 3, head: parsed[2].hash, problems: [], recovered: [] });
  });

  test('an append that must be durable waits for the disk, once for its batch, and that of a new file for its folder, too', async () => {
    const probe = await open(join(folder, 'probe'), 'a');
    const waits: string[] = [];
    for (const name of ['datasync', 'sync'] as const) {
      const wait = Object.getPrototypeOf(probe)[name];
      vi.spyOn(Object.getPrototypeOf(probe), name).mockImplementation(async function (this: unknown) {
        await wait.call(this);
        waits.push(name);
      });
    }
    await probe.close();
    const one = audit();
    await one.append(record(1), { durable: true });
    expect(waits).toEqual(['datasync', 'sync']);
    await one.append(record(2), { durable: true });
    expect(waits.splice(0)).toEqual(['datasync', 'sync', 'datasync']);
    await one.append(record(3), { durable: false });
    expect(waits).toEqual([]);
    // The first of them is on its way when the others come, which wait together.
    await Promise.all([4, 5, 6].map((index) => one.append(record(index), { durable: true })));
    expect(waits).toEqual(['datasync', 'datasync']);
    vi.restoreAllMocks();
  });

  test('a line needs a look at the file before it and one after it, and calls of a quarter second share the look before anything is done', async () => {
    let now = 0;
    const one = audit({ clock: { ...systemClock, now: () => now } });
    await write(1, one);
    const [byName, byHandle] = [vi.spyOn(fs, 'statSync'), vi.spyOn(fs, 'fstatSync')];
    const looks = () => [byName.mock.calls.filter(([path]) => path === file).length, byHandle.mock.calls.length];
    for (now of [1000, 1100, 1249]) {
      await one.ready();
      await one.append(record(1), { durable: false });
    }
    const within = looks();
    now = 1250;
    await one.ready();
    const after = looks();
    vi.restoreAllMocks();
    expect([within, after]).toEqual([
      [4, 3],
      [5, 3],
    ]);
  });

  test('a fault of the file shows a quarter second after it was fine, at once when the clock was set back, and as long as it lasts', async () => {
    let now = 10_000;
    const one = audit({ clock: { ...systemClock, now: () => now } });
    await write(1, one);
    await one.ready();
    rmSync(file);
    mkdirSync(file);
    const faults = [];
    for (now of [10_249, 10_250, 10_251, 9_000])
      faults.push(
        await one.ready().then(
          () => 'none',
          (error) => error.code,
        ),
      );
    expect(faults).toEqual(['none', 'audit_unavailable', 'audit_unavailable', 'audit_unavailable']);
  });

  test('fifty calls at once become one chain in their order', async () => {
    const one = audit();
    await Promise.all(Array.from({ length: 50 }, (_, index) => one.append(record(index), { durable: true })));
    expect(lines().map((line) => JSON.parse(line).args.index)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect((await verifyAudit(file)).problems).toEqual([]);
  });

  test('two servers on one file continue each other', async () => {
    const [a, b] = [audit(), audit()];
    for (let index = 0; index < 20; index += 1) await (index % 2 ? a : b).append(record(index), { durable: false });
    expect(await verifyAudit(file)).toMatchObject({ count: 20, problems: [] });
  });

  test('secrets do not reach the file, by reference, by name or by value', async () => {
    const one = audit({ redact: (text) => text.replaceAll('canary-1', '***') });
    await one.append(
      {
        kind: 'intent',
        args: {
          cloud_init: { password: 'canary-2', user: 'root' },
          ref: { $secret: 'id-1' },
          note: 'is canary-1 here',
          list: ['canary-1'],
          cloud_init_keys: '-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-3\n-----END OPENSSH PRIVATE KEY-----',
        },
        error: { code: 'internal', message: 'canary-1' },
      },
      { durable: true },
    );
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('canary');
    expect(JSON.parse(text).args).toMatchObject({ cloud_init: { password: '[redacted]', user: 'root' }, ref: { $secret: 'id-1' } });
  });

  test('an argument called __proto__ is recorded like any other', async () => {
    const args = JSON.parse('{"a":1,"__proto__":{"password":"canary","user":"root"}}');
    await audit().append({ kind: 'refused', args }, { durable: true });
    expect(readFileSync(file, 'utf8')).toContain('"args":{"a":1,"__proto__":{"password":"[redacted]","user":"root"}}');
  });

  test('invisible characters are escaped in the file, and the chain holds', async () => {
    const one = audit();
    await one.append({ kind: 'refused', args: { name: 'web\u202e1', note: 'a\u0085b\u200b' } }, { durable: true });
    await one.append(record(1), { durable: true });
    const text = readFileSync(file, 'utf8');
    expect(text).not.toMatch(/[\p{Cf}\u007f-\u009f]/u);
    expect(JSON.parse(text.split('\n')[0] ?? '').args).toEqual({ name: 'web\u202e1', note: 'a\u0085b\u200b' });
    expect(await verifyAudit(file)).toMatchObject({ count: 2, problems: [] });
  });

  test('a text of any length leaves a line of bounded length', async () => {
    await audit().append({ kind: 'refused', message: 'x'.repeat(1_000_000) }, { durable: true });
    expect(readFileSync(file, 'utf8').length).toBeLessThan(3000);
  });

  test('a record of many kilobytes is continued', async () => {
    const one = audit();
    await one.append({ kind: 'read', args: { many: Array.from({ length: 20_000 }, (_, index) => index) } }, { durable: false });
    await one.append(record(1), { durable: true });
    expect(await verifyAudit(file)).toMatchObject({ count: 2, problems: [] });
  });
});

describe('when it cannot be written', () => {
  test('an append fails, and the next one succeeds once the file can be written', async () => {
    const place = join(folder, 'place');
    writeFileSync(place, 'a file where a folder should be');
    const one = audit({ file: join(place, 'audit.jsonl') });
    await expect(one.append(record(0), { durable: true })).rejects.toMatchObject({ code: 'audit_unavailable' });
    rmSync(place);
    await one.append(record(0), { durable: true });
    expect(await verifyAudit(join(place, 'audit.jsonl'))).toMatchObject({ count: 1 });
  });

  test('a folder in its place', async () => {
    mkdirSync(file);
    await expect(audit().append(record(0), { durable: true })).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  test('a full disk leaves no half line', async () => {
    const one = audit();
    await one.append(record(0), { durable: true });
    const append = vi.spyOn(fs, 'writeSync').mockImplementationOnce((fd) => {
      appendFileSync(fd, 'the first half');
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    });
    await expect(one.append(record(1), { durable: true })).rejects.toMatchObject({
      // The line may be about work that is done.
      message: expect.stringMatching(/the disk is full\.$/),
      hint: expect.stringContaining('changes work again'),
    });
    append.mockRestore();
    await one.append(record(2), { durable: true });
    expect(await verifyAudit(file)).toMatchObject({ count: 2, problems: [], recovered: [] });
  });

  test('a device, a pipe or a link to one keeps no line and is refused at once', async () => {
    const link = join(folder, 'link.jsonl');
    symlinkSync('/dev/null', link);
    const pipe = join(folder, 'pipe.jsonl');
    execFileSync('mkfifo', [pipe]);
    for (const place of ['/dev/null', link, pipe]) {
      const one = audit({ file: place });
      await expect(one.ready(), place).rejects.toMatchObject({ message: expect.stringContaining('not a regular file') });
      await expect(one.append(record(0), { durable: true }), place).rejects.toMatchObject({ code: 'audit_unavailable' });
    }
  });

  test('a damaged lock file is named, and once it is deleted the same audit continues', async () => {
    await write(1);
    writeFileSync(`${file}.lock`, 'not a database, and long enough to look like a damaged one. '.repeat(40));
    const one = audit();
    await expect(one.append(record(1), { durable: true })).rejects.toMatchObject({
      code: 'audit_unavailable',
      message: expect.stringContaining(`The lock file ${file}.lock`),
    });
    rmSync(`${file}.lock`);
    await one.append(record(1), { durable: true });
    expect(await verifyAudit(file)).toMatchObject({ count: 2, problems: [] });
  });

  test('reads stop at the reserve, changes continue', async () => {
    const one = audit({ freeBytes: async () => 63 * 1024 * 1024 });
    await expect(one.append(record(0, 'read'), { durable: false })).rejects.toMatchObject({ code: 'audit_unavailable' });
    await one.append(record(1), { durable: true });
    expect(await verifyAudit(file)).toMatchObject({ count: 1 });
  });

  test('a flood of reads is slowed down for its principal alone', async () => {
    let now = 0;
    const one = audit({ clock: { ...systemClock, now: () => now } });
    const read = (principal: string) => one.append({ kind: 'read', principal }, { durable: false });
    await Promise.all(Array.from({ length: 2000 }, () => read('greedy')));
    await expect(read('greedy')).rejects.toMatchObject({ code: 'rate_limited' });
    await one.append({ kind: 'intent', principal: 'greedy' }, { durable: true });
    await read('other');
    now += 1000;
    await read('greedy');
  });

  test('an edited newest line stops everything', async () => {
    await write(3);
    const all = lines();
    rewrite([...all.slice(0, 2), (all[2] ?? '').replace('"index":2', '"index":7')]);
    await expect(audit().append(record(3), { durable: true })).rejects.toMatchObject({
      code: 'audit_unavailable',
      message: expect.stringContaining('its newest line was changed'),
      hint: expect.stringContaining('An edited audit trail'),
    });
  });
});

describe('the file stays open between two lines', () => {
  test('a line of another process, also in the same moment, is continued', async () => {
    const [a, b] = [audit(), audit()];
    for (let index = 0; index < 200; index += 1) await (Math.floor(index / 3) % 2 ? a : b).append(record(index), { durable: false });
    expect(await verifyAudit(file)).toMatchObject({ count: 200, problems: [] });
  });

  test('an edit of the newest line by another process stops the same server', async () => {
    const one = audit();
    await write(2, one);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"index":1', '"index":7'));
    await expect(one.append(record(3), { durable: true })).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  test('a line that a crash of another process tore is closed by the same server', async () => {
    const one = audit();
    await write(2, one);
    appendFileSync(file, '{"seq":3,"torn');
    await write(1, one);
    expect(await verifyAudit(file)).toMatchObject({ count: 4, problems: [], recovered: [{ line: 3 }] });
  });

  test('a file that was removed, or replaced by another one, is begun anew under its name', async () => {
    const one = audit();
    await write(2, one);
    rmSync(file);
    await one.ready();
    await write(1, one);
    expect(await verifyAudit(file)).toMatchObject({ count: 1, problems: [] });
    renameSync(file, join(folder, 'old.jsonl'));
    await write(1, one);
    expect(await verifyAudit(file)).toMatchObject({ count: 1, problems: [] });
  });

  test('its end is read once, and no more by later lines of this process', async () => {
    const one = audit();
    await write(1, one);
    const handle = await open(file, 'r');
    const read = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'read');
    await handle.close();
    await write(20, one);
    expect(read).not.toHaveBeenCalled();
    read.mockRestore();
    expect(await verifyAudit(file)).toMatchObject({ count: 21, problems: [] });
  });
});

describe('torn lines', () => {
  test('every place at which a crash can tear the last line', async () => {
    await write(2);
    const whole = readFileSync(file);
    const second = whole.indexOf('\n') + 1;
    for (let cut = second + 1; cut < whole.length; cut += 1) {
      writeFileSync(file, whole.subarray(0, cut));
      const before = await verifyAudit(file);
      expect(before.problems, `torn after ${cut} bytes`).toEqual([]);
      const one = openAudit({ file, clock: systemClock });
      await one.append(record(9), { durable: false });
      await one.close();
      const after = await verifyAudit(file);
      expect(after.problems, `continued after ${cut} bytes`).toEqual([]);
      // Torn exactly before the newline, the line is whole: nothing had to be recovered.
      expect(after.recovered.length).toBe(cut === whole.length - 1 ? 0 : 1);
      expect(after.count).toBe(3);
    }
  });

  test('a crash while closing a torn line', async () => {
    await write(2);
    appendFileSync(file, '{"seq":3,"torn');
    appendFileSync(file, '\n{"seq":3,"kind":"recov');
    await write(1);
    expect(await verifyAudit(file)).toMatchObject({ count: 4, problems: [], recovered: [{ line: 3 }] });
  });

  test('only a torn line', async () => {
    writeFileSync(file, '{"seq":1,"ti');
    await write(1);
    expect(await verifyAudit(file)).toMatchObject({ count: 2, problems: [], recovered: [{ line: 1 }] });
  });

  test('the fragment cannot be exchanged afterwards', async () => {
    await write(2);
    appendFileSync(file, '{"seq":3,"torn');
    await write(1);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"torn', '"lost'));
    expect((await verifyAudit(file)).problems).toMatchObject([{ line: 3 }]);
  });
});

describe('verification', () => {
  const COUNT = 12;

  test.each(Array.from({ length: COUNT }, (_, index) => index))('line %i: edited, swapped, repeated or removed', async (index) => {
    await write(COUNT);
    const all = lines();
    const line = all[index] ?? '';
    const next = all[index + 1];
    const changed: Record<string, string[]> = {
      edited: all.with(index, line.replace('"stop_vm"', '"list_vms"')),
      'a space inserted': all.with(index, line.replace('{"seq"', '{ "seq"')),
      'a doubled key': all.with(index, line.replace('"operation":"stop_vm"', '"operation":"stop_vm","operation":"stop_vm"')),
      repeated: all.toSpliced(index, 0, line),
      ...(next ? { swapped: all.with(index, next).with(index + 1, line), 'taken out': all.toSpliced(index, 1) } : {}),
    };
    for (const [name, lines] of Object.entries(changed)) {
      rewrite(lines);
      expect((await verifyAudit(file)).problems.length, name).toBeGreaterThan(0);
    }
    rewrite(all);
    expect((await verifyAudit(file)).problems).toEqual([]);
  });

  test('an inserted line of a chain of its own', async () => {
    await write(5);
    const all = lines();
    const other = join(folder, 'other.jsonl');
    await audit({ file: other }).append(record(1), { durable: true });
    rewrite(all.toSpliced(2, 0, readFileSync(other, 'utf8').trimEnd()));
    expect((await verifyAudit(file)).problems.length).toBeGreaterThan(0);
  });

  test('names the line and the number of missing ones', async () => {
    await write(6);
    rewrite(lines().toSpliced(2, 2));
    expect((await verifyAudit(file)).problems).toEqual([{ line: 3, problem: 'follows record 2 but is number 5: 2 missing before it' }]);
  });

  test('a missing file is an error, an empty one is not', async () => {
    await expect(verifyAudit(file)).rejects.toMatchObject({ code: 'audit_invalid', exit: 1 });
    await expect(tailAudit(file, 5)).rejects.toMatchObject({ code: 'audit_invalid' });
    writeFileSync(file, '');
    expect(await verifyAudit(file)).toMatchObject({ count: 0, problems: [] });
    expect(await tailAudit(file, 5)).toEqual([]);
  });

  test('the newest records', async () => {
    await write(300);
    expect((await tailAudit(file, 5)).map((line) => line.args?.index)).toEqual([295, 296, 297, 298, 299]);
    expect(await tailAudit(file, 1000)).toHaveLength(300);
    truncateSync(file, readFileSync(file).length - 3);
    chmodSync(file, 0o600);
    expect((await tailAudit(file, 2)).map((line) => line.args?.index)).toEqual([298]);
  });
});
