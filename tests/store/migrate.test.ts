import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import SqliteDatabase from '../../src/sqlite.ts';
import { openStore } from '../../src/store/index.ts';

it('a store of before retention keeps finding its runs by the UPIDs of their steps', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'migrate-'));
  const upid = 'UPID:pve:00000001:00000001:00000001:qmstart:100:mcp@pve!agent:';
  const made = await openStore({ dataDir });
  const plan = { operation: 'x', summary: 'x', effect: 'change' as const, steps: [], expected: [], choices: [], warnings: [], undo: 'x' };
  const run = {
    id: 'run-1',
    operation: 'x',
    args: {},
    cluster: 'c',
    principal: 'p',
    plan,
    digest: 'd',
    startedAt: '2026-01-01T00:00:00.000Z',
  };
  await made.runs.begin(run, 'w', '2026-01-01T00:01:00.000Z');
  await made.runs.journal('run-1', 'w', [{ id: 's', state: 'sent', at: run.startedAt, upid }], '2026-01-01T00:01:00.000Z');
  await made.close();

  // Back to how version 004 left it.
  const file = new SqliteDatabase(join(dataDir, 'store.sqlite'));
  file.exec(`drop table run_upids; drop table marks; alter table guests drop column saved_at; alter table guest_names drop column vmid;
    delete from kysely_migration where name >= '005-retention'`);
  for (const { name } of file.prepare("select name from sqlite_master where type = 'index' and name like '%_by_%'").all() as {
    name: string;
  }[]) {
    if (!['approvals_by_time', 'runs_by_status'].includes(name)) file.exec(`drop index ${name}`);
  }
  file.close();

  const again = await openStore({ dataDir });
  expect(await again.runs.byUpid(upid, 'c')).toMatchObject({ id: 'run-1' });
  await again.close();
  rmSync(dataDir, { recursive: true });
});

it('an upgrade that stops in the middle leaves the tables as they were, and the next start completes it', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'migrate-'));
  const path = join(dataDir, 'store.sqlite');
  const file = new SqliteDatabase(path);
  // A migration meets it after its first changes, and ends there as a crash would end it.
  file.exec('create table marks (x)');
  await expect(openStore({ dataDir })).rejects.toMatchObject({ code: 'store_unavailable' });
  file.exec('drop table marks');
  file.close();
  const store = await openStore({ dataDir });
  expect(await store.runs.unknown('c')).toEqual([]);
  await store.close();
  rmSync(dataDir, { recursive: true });
});
