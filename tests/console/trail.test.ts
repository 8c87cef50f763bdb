import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSigner } from '../../src/audit/checkpoint.ts';
import { openAudit } from '../../src/audit/writer.ts';
import { auditView, verification } from '../../src/console/trail.ts';
import { systemClock } from '../../src/core/clock.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trail-'));
  file = join(folder, 'audit.jsonl');
  const audit = openAudit({ file, clock: systemClock });
  const web1 = { vmid: 105, name: 'web1', node: 'pve' };
  await audit.append({ kind: 'read', operation: 'list_vms', principal: 'local:1000', channel: 'stdio', status: 'ok' }, { durable: true });
  await audit.append(
    { kind: 'intent', operation: 'stop_vm', principal: 'local:1000', target: web1, requests: ['POST /stop'] },
    { durable: true },
  );
  await audit.append(
    {
      kind: 'refused',
      operation: 'delete_vm',
      principal: 'token:ci',
      error: { code: 'guest_not_found', message: 'No guest\u001b[2J 999.' },
    },
    { durable: true },
  );
  await audit.close();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('shows the newest first, with the choices of the filters', async () => {
  const view = await auditView(file, {});
  expect(view.rows.map(({ seq, kind, guest }) => [seq, kind, guest])).toEqual([
    [3, 'refused', ''],
    [2, 'intent', 'web1 105'],
    [1, 'read', ''],
  ]);
  expect(view.rows.map(({ bad }) => bad)).toEqual([true, false, false]);
  expect(view).toMatchObject({
    searched: 3,
    matching: 3,
    kinds: ['intent', 'read', 'refused'],
    operations: ['delete_vm', 'list_vms', 'stop_vm'],
    principals: ['local:1000', 'token:ci'],
  });
});

test('the choices of the filters are as harmless as the rows, and find them', async () => {
  const audit = openAudit({ file, clock: systemClock });
  const [operation, principal] = ['delete\u202e_vm', `oauth:a\u200blice\u001b[2J${'x'.repeat(200)}`];
  await audit.append({ kind: 'refused', operation, principal, status: 'refused' }, { durable: true });
  await audit.close();
  const { operations, principals, rows } = await auditView(file, {});
  expect(operations.concat(principals).join()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(operations).toEqual(['delete_vm', 'list_vms', 'stop_vm']);
  const who = principals.find((name) => name.startsWith('oauth:')) ?? '';
  expect(who).toBe(rows[0]?.who);
  expect((await auditView(file, { principal: who })).rows.map(({ seq }) => seq)).toEqual([4]);
});

test.each([
  [{ kind: 'read' }, [1]],
  [{ operation: 'stop_vm' }, [2]],
  [{ principal: 'token:ci' }, [3]],
  [{ text: 'WEB1' }, [2]],
  [{ text: '105 web1' }, [2]],
  [{ text: 'nothing has this' }, []],
  [{ principal: 'local:1000', kind: 'refused' }, []],
  [{ kind: '', text: ' ' }, [3, 2, 1]],
])('%j finds %j, and the choices stay', async (filter, found) => {
  const view = await auditView(file, filter);
  expect(view.rows.map(({ seq }) => seq)).toEqual(found);
  expect(view.kinds).toHaveLength(3);
});

test('the text of a record is made harmless', async () => {
  expect(JSON.stringify(await auditView(file, {}))).not.toContain('\\u001b');
});

test('shows an intact chain, and the record that breaks it', async () => {
  expect(await verification({ auditFile: file, dataDir: folder })).toMatchObject({ intact: true, count: 3, problems: [] });
  writeFileSync(file, readFileSync(file, 'utf8').replace('"web1"', '"web2"'));
  const broken = await verification({ auditFile: file, dataDir: folder });
  expect(broken.intact).toBe(false);
  expect(broken.problems[0]?.where).toBe('line 2');
});

test('shows that the newest records were removed, where a checkpoint covers them', async () => {
  const elsewhere = join(folder, 'elsewhere.log');
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  const newest = JSON.parse(lines[2] ?? '') as { seq: number; hash: string };
  writeFileSync(elsewhere, `${openSigner(folder).sign(newest, '2026-11-23T10:00:00.000Z')}\n`);
  const settings = { auditFile: file, dataDir: folder, auditAnchor: { kind: 'file' as const, path: elsewhere } };
  expect(await verification(settings)).toMatchObject({ intact: true, anchor: { checkpoints: 1, uncovered: 0 } });
  writeFileSync(file, `${lines[0]}\n${lines[1]}\n`);
  const cut = await verification(settings);
  expect(cut.intact).toBe(false);
  expect(cut.problems).toEqual([{ where: 'checkpoints', problem: expect.stringContaining('removed') }]);
  expect((await verification({ auditFile: file, dataDir: folder })).intact).toBe(true);
});

test('a missing trail is empty, and not intact', async () => {
  rmSync(file);
  expect(await auditView(file, {})).toMatchObject({ rows: [], searched: 0 });
  expect(await verification({ auditFile: file, dataDir: folder })).toMatchObject({ intact: false, count: 0 });
});
