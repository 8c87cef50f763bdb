import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { openSigner } from '../../src/audit/checkpoint.ts';
import { type AuditRecord, chain, GENESIS, type Head } from '../../src/audit/record.ts';
import { rotateAudit } from '../../src/audit/rotate.ts';
import { verifyAudit } from '../../src/audit/verify.ts';
import { readPublicKey, verifyAnchored } from '../../src/audit/verify-anchored.ts';
import { systemClock } from '../../src/core/clock.ts';

// A checkpoint after every tenth record. One case verifies the 10,000 records that docs/approvals.md makes its promise about.
const COUNT = 1_000;
const EVERY = 10;
const TIME = '2026-01-02T03:04:05.678Z';
const folder = mkdtempSync(join(tmpdir(), 'anchored-'));
const file = join(folder, 'audit.jsonl');
const anchor = join(folder, 'elsewhere.log');
const dataDir = join(folder, 'data');
const signer = openSigner(dataDir);

const record = (index: number, more: Partial<AuditRecord> = {}): AuditRecord => ({
  kind: 'intent',
  operation: 'stop_vm',
  principal: 'local:1000',
  target: { vmid: 100 + index, name: 'grüße', node: 'pve' },
  ...more,
});
const records = Array.from({ length: COUNT }, (_, index) => record(index));
const { lines, heads } = build(records);
const checkpoints = heads.filter(({ seq }) => seq % EVERY === 0).map((head) => signer.sign(head, TIME));

/** A trail as the server would chain it. */
function build(all: AuditRecord[]): { lines: string[]; heads: Head[] } {
  const lines: string[] = [];
  const heads: Head[] = [GENESIS];
  for (const one of all) {
    const next = chain(heads.at(-1) ?? GENESIS, one, TIME);
    lines.push(next.line.trimEnd());
    heads.push(next.head);
  }
  return { lines, heads: heads.slice(1) };
}
const write = (all: string[]) => writeFileSync(file, all.map((line) => `${line}\n`).join(''));
const verify = () => verifyAnchored(file, dataDir, { file: anchor });
/** The numbers of the lines that are reported, and what the checkpoints say. */
async function found(all: string[]) {
  write(all);
  const { problems, anchor } = await verify();
  return { places: problems.map(({ line }) => line), anchor: anchor.problems };
}
const edit = (line: string) => line.replace('"stop_vm"', '"list_vm"');
const indexes = Array.from({ length: COUNT }, (_, index) => index);

beforeEach(() => {
  writeFileSync(anchor, `${checkpoints.join('\n')}\n`);
  write(lines);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('an audit of 10,000 records is intact as it was written, and one edited line in it is found', async () => {
  const long = build(Array.from({ length: 10_000 }, (_, index) => record(index)));
  const signed = long.heads.filter(({ seq }) => seq % 100 === 0).map((head) => signer.sign(head, TIME));
  writeFileSync(anchor, `${signed.join('\n')}\n`);
  write(long.lines);
  expect(await verify()).toMatchObject({
    count: 10_000,
    problems: [],
    anchor: { checkpoints: 100, newest: { seq: 10_000, time: TIME }, uncovered: 0, problems: [] },
  });
  // The line, and the next one, which was chained to what it was.
  expect((await found(long.lines.with(7_776, edit(long.lines[7_776] ?? '')))).places).toEqual([7_777, 7_778]);
});

describe('an audit of 1,000 records', () => {
  test('is intact as it was written', async () => {
    expect(await verify()).toMatchObject({
      count: COUNT,
      problems: [],
      anchor: { checkpoints: COUNT / EVERY, newest: { seq: COUNT, time: TIME }, uncovered: 0, problems: [] },
    });
  });

  // Every fault is reported where it is, so that half of all lines can be tried in one go.
  test.each([0, 1])('every edited line is found (those with remainder %i)', async (remainder) => {
    const { places } = await found(lines.map((line, index) => (index % 2 === remainder ? edit(line) : line)));
    const reported = new Set(places);
    expect(indexes.filter((index) => index % 2 === remainder && !reported.has(index + 1))).toEqual([]);
  });

  test.each([0, 1])('every deleted line is found (those with remainder %i)', async (remainder) => {
    const { places, anchor } = await found(lines.filter((_, index) => index % 2 !== remainder));
    // Behind each gap stands the line that shows it. Behind the newest line stands none: the checkpoint alone misses it.
    expect(places).toHaveLength(remainder === 0 ? COUNT / 2 : COUNT / 2 - 1);
    if (remainder === 1) expect(anchor[0]).toContain('ends with record 999, but had 1000');
  });

  test.each([0, 1])('every swapped pair is found (beginning at %i)', async (begin) => {
    const swapped = [...lines];
    for (let i = begin; i + 1 < COUNT; i += 2) [swapped[i], swapped[i + 1]] = [lines[i + 1] ?? '', lines[i] ?? ''];
    const { places } = await found(swapped);
    for (let i = begin; i + 1 < COUNT; i += 2)
      expect(places.includes(i + 1) || places.includes(i + 2), `lines ${i + 1} and ${i + 2}`).toBe(true);
  });

  const some = [0, 1, EVERY - 1, EVERY, 777, COUNT - EVERY - 1, COUNT - 2, COUNT - 1];
  test.each(some)('record at %i: deleted, edited, doubled, swapped or cut off there, alone', async (index) => {
    const line = lines[index] ?? '';
    const other = index + 1 < COUNT ? index + 1 : 0;
    const cases: Record<string, string[]> = {
      deleted: lines.toSpliced(index, 1),
      edited: lines.with(index, edit(line)),
      doubled: lines.toSpliced(index, 0, line),
      swapped: lines.with(index, lines[other] ?? '').with(other, line),
      'cut off': lines.slice(0, index),
      'cut off behind half a line': [...lines.slice(0, index), line.slice(0, 40)],
    };
    for (const [name, all] of Object.entries(cases)) {
      const { places, anchor } = await found(all);
      expect(places.length + anchor.length, name).toBeGreaterThan(0);
    }
  });

  test.each([1, 2, 3, EVERY - 1, EVERY, EVERY + 1, 500, COUNT - 1])('the newest %i lines cut off', async (newest) => {
    const length = COUNT - newest;
    expect((await found(lines.slice(0, length))).anchor[0]).toBe(
      `the trail ends with record ${length}, but had ${COUNT} on ${TIME}: the newest ${newest} were removed`,
    );
  });

  test.each([0, 432, COUNT - 1])('a chain rewritten from record %i on has no flaw in itself, and is found', async (index) => {
    const forged = build(records.with(index, record(index, { operation: 'list_vms' })));
    const { places, anchor } = await found(forged.lines);
    expect(places).toEqual([]);
    expect(anchor[0]).toContain('or an earlier one changed');
  });

  test('a chain rewritten and grown beyond the newest checkpoint is found', async () => {
    const forged = build([...records.with(990, record(0)), record(1), record(2)]);
    expect((await found(forged.lines)).anchor).toEqual([`record ${COUNT} or an earlier one changed after ${TIME}`]);
  });

  test('a file that is gone, and one that is empty', async () => {
    expect((await found([])).anchor[0]).toContain(`had ${COUNT}`);
    rmSync(file);
    await expect(verify()).rejects.toMatchObject({
      code: 'audit_invalid',
      exit: 1,
      message: expect.stringContaining(`had ${COUNT} records`),
    });
    rmSync(dataDir, { recursive: true });
    await expect(verify()).rejects.toMatchObject({ code: 'audit_invalid', exit: 1, message: expect.stringContaining('is missing') });
  });
});

describe('checkpoints', () => {
  function anew(count: number) {
    const place = mkdtempSync(join(folder, 'small-'));
    const data = join(place, 'data');
    const small = { file: join(place, 'audit.jsonl'), anchor: join(place, 'anchor.log'), data, signer: openSigner(data) };
    const built = build(records.slice(0, count));
    writeFileSync(small.file, built.lines.map((line) => `${line}\n`).join(''));
    return { ...small, ...built };
  }

  test('the key is private', () => {
    const { data } = anew(1);
    expect(statSync(join(data, 'audit-anchor.key')).mode & 0o777).toBe(0o600);
  });

  test('count the records that none of them covers yet', async () => {
    const { file, anchor, data, signer, heads } = anew(10);
    writeFileSync(anchor, signer.sign(heads[6] ?? GENESIS, TIME));
    expect((await verifyAnchored(file, data, { file: anchor })).anchor).toMatchObject({ uncovered: 3, newest: { seq: 7 }, problems: [] });
  });

  test('are found after the prefix of a syslog daemon, among other lines', async () => {
    const { file, anchor, data, signer, heads } = anew(3);
    const line = `Jan  2 03:04:05 host proxmox-mcp[7]: ${signer.sign(heads[2] ?? GENESIS, TIME)}`;
    writeFileSync(anchor, `Jan  2 03:04:04 host sshd[1]: {"a": 1}\n${line}\n{"type":"proxmox-mcp-checkpoint","torn`);
    expect((await verifyAnchored(file, data, { file: anchor })).anchor).toMatchObject({ checkpoints: 1, problems: [] });
  });

  test('cannot be changed', async () => {
    const { file, anchor, data, signer, heads } = anew(3);
    const genuine = signer.sign(heads[2] ?? GENESIS, TIME);
    for (const changed of [genuine.replace('"seq":3', '"seq":2'), genuine.replace(TIME, '2027-01-02T03:04:05.678Z')]) {
      writeFileSync(anchor, `${genuine}\n${changed}\n`);
      expect((await verifyAnchored(file, data, { file: anchor })).anchor.problems).toEqual([expect.stringContaining('1 checkpoints in')]);
    }
  });

  test('of another key are a problem, unless the right key was named', async () => {
    const { file, anchor, data, signer, heads } = anew(3);
    const other = openSigner(join(data, 'other'));
    writeFileSync(anchor, `${signer.sign(heads[0] ?? GENESIS, TIME)}\n${other.sign(heads[2] ?? GENESIS, TIME)}\n`);
    expect((await verifyAnchored(file, data, { file: anchor })).anchor.problems[0]).toContain('signed by another key');
    const named = await verifyAnchored(file, data, { file: anchor, publicKey: signer.publicKey });
    expect(named.anchor).toMatchObject({ checkpoints: 1, others: 1, uncovered: 2, problems: [] });
  });

  test('still show a cut trail after the key was replaced', async () => {
    const { file, anchor, data, signer, heads, lines } = anew(20);
    writeFileSync(anchor, `${signer.sign(heads[19] ?? GENESIS, TIME)}\n`);
    writeFileSync(
      file,
      lines
        .slice(0, 5)
        .map((line) => `${line}\n`)
        .join(''),
    );
    rmSync(join(data, 'audit-anchor.key'));
    openSigner(data);
    expect((await verifyAnchored(file, data, { file: anchor })).anchor.problems[0]).toContain('signed by another key');
    expect((await verifyAnchored(file, data, { file: anchor, publicKey: signer.publicKey })).anchor.problems[0]).toContain('had 20');
  });

  test('none at all, or no such file, proves nothing', async () => {
    const { file, anchor, data } = anew(3);
    await expect(verifyAnchored(file, data, { file: anchor })).rejects.toMatchObject({ code: 'audit_invalid' });
    writeFileSync(anchor, 'nothing of ours\n');
    expect((await verifyAnchored(file, data, { file: anchor })).anchor.problems[0]).toContain('contains no checkpoint of the key');
  });

  test('hold across rotations: taking out the newest file shows', async () => {
    const { file, anchor, data, signer, heads } = anew(10);
    const { closed, to } = await rotateAudit(file, { principal: 'local:0' }, systemClock);
    const head = { seq: to + 1, hash: (await verifyAudit(file)).head };
    writeFileSync(anchor, `${signer.sign(heads[4] ?? GENESIS, TIME)}\n${signer.sign(head, TIME)}\n`);
    expect(await verifyAnchored(file, data, { file: anchor })).toMatchObject({
      count: 12,
      problems: [],
      anchor: { uncovered: 0, problems: [] },
    });
    rmSync(file);
    await expect(verifyAnchored(file, data, { file: anchor })).rejects.toMatchObject({ code: 'audit_invalid' });
    expect((await verifyAnchored(closed, data, { file: anchor })).anchor.problems[0]).toContain('ends with record 11, but had 12');
  });

  test('are checked with a key from a file, and never with a file that is not a key', () => {
    const { data, signer } = anew(1);
    const pem = join(data, 'public.pem');
    writeFileSync(pem, signer.publicKey.export({ type: 'spki', format: 'pem' }));
    expect(readPublicKey(pem).equals(signer.publicKey)).toBe(true);
    writeFileSync(pem, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }));
    expect(() => readPublicKey(pem)).toThrow(expect.objectContaining({ code: 'invalid_arguments' }));
    expect(() => readPublicKey(join(data, 'none'))).toThrow(expect.objectContaining({ code: 'invalid_arguments' }));
  });
});
