import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import SqliteDatabase from '../../src/sqlite.ts';
import { openStore } from '../../src/store/index.ts';
import { pauseAfter } from '../../src/store/sqlite.ts';

let dataDir: string;
let holder: ChildProcess | undefined;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sqlite-'));
});
afterEach(() => {
  holder?.kill();
  holder = undefined;
  rmSync(dataDir, { recursive: true, force: true });
});

/** Another process takes a file's lock; tell it anything and it lets go. */
async function heldByAnother(file: string): Promise<() => void> {
  const library = createRequire(import.meta.url).resolve(
    Number.parseInt(process.versions.node, 10) >= 22 ? 'better-sqlite3' : 'proxmox-mcp-sqlite-node20',
  );
  const script = join(dataDir, 'holder.cjs');
  writeFileSync(
    script,
    `const Database = require(${JSON.stringify(library)});
     const db = new Database(${JSON.stringify(file)});
     db.exec('BEGIN EXCLUSIVE');
     process.send('held');
     process.on('message', () => { db.exec('ROLLBACK'); process.exit(0); });`,
  );
  const child = fork(script, { execArgv: [] });
  holder = child;
  await once(child, 'message');
  return () => void child.send('let go');
}

const secret = { id: 'sec_1', sealed: 'sealed' };

describe('while another process holds the lock of the store', () => {
  it('this one answers other requests, and writes its rows afterwards', async () => {
    const store = await openStore({ dataDir });
    const health = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(health, 'listening');
    const letGo = await heldByAnother(join(dataDir, 'store.sqlite'));
    const order: string[] = [];
    const written = store.secrets.keep('run_1', [secret]).then(() => order.push('written'));
    for (let n = 0; n < 3; n++) {
      const answer = await fetch(`http://127.0.0.1:${(health.address() as AddressInfo).port}/healthz`);
      order.push(await answer.text());
    }
    letGo();
    await written;
    expect(order).toEqual(['ok', 'ok', 'ok', 'written']);
    expect(await store.secrets.get(secret.id)).toBe('sealed');
    health.close();
    await store.close();
  });

  it('this one retries at once, and less often once it has been held for a second', () => {
    const many = (waited: number) => Array.from({ length: 1_000 }, () => pauseAfter(waited));
    expect(Math.max(...many(0), ...many(999))).toBeLessThanOrEqual(20);
    expect(Math.min(...many(1_000), ...many(19_000))).toBeGreaterThanOrEqual(5);
    expect(Math.max(...many(1_000), ...many(19_000))).toBeLessThanOrEqual(100);
  });

  it('a new one is created once that process releases it', async () => {
    const letGo = await heldByAnother(join(dataDir, 'store.sqlite'));
    let opened = false;
    const opening = openStore({ dataDir }).then((store) => {
      opened = true;
      return store;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(opened).toBe(false);
    letGo();
    await (await opening).close();
  });
});

describe('a store that cannot be used names the reason and the next step', () => {
  const refusal = () =>
    openStore({ dataDir }).then(
      () => {
        throw new Error('it was opened');
      },
      (error) => ({ code: error.code, message: error.message, hint: error.hint }),
    );

  test('made by a newer version', async () => {
    await (await openStore({ dataDir })).close();
    const db = new SqliteDatabase(join(dataDir, 'store.sqlite'));
    db.prepare('insert into kysely_migration (name, timestamp) values (?, ?)').run('999-from-the-future', '2030-01-01');
    db.close();
    expect(await refusal()).toMatchObject({
      code: 'store_unavailable',
      message: 'A newer version of proxmox-mcp created this store (it has 999-from-the-future).',
      hint: expect.stringContaining('newer one'),
    });
  });

  test('damaged', async () => {
    writeFileSync(join(dataDir, 'store.sqlite'), 'no database. '.repeat(100));
    const { message, hint } = await refusal();
    expect(message).toBe(`The store in ${dataDir} cannot be used: store.sqlite is damaged.`);
    expect(hint).toContain('backup');
  });

  test('a damaged lock file of the migrations is named, not the store', async () => {
    writeFileSync(join(dataDir, 'migrate.lock'), 'no database. '.repeat(100));
    expect((await refusal()).message).toBe(`The lock file ${join(dataDir, 'migrate.lock')} is damaged.`);
  });

  test('full: the error of a change speaks of changes', async () => {
    const { patiently } = await import('../../src/store/sqlite.ts');
    const full = () => Promise.reject(Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' }));
    await expect(patiently(full, dataDir)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: `The store in ${dataDir} cannot be used: the disk is full.`,
      hint: expect.stringContaining('changes'),
    });
  });
});

it('an empty file that is created again is reported', async () => {
  writeFileSync(join(dataDir, 'store.sqlite'), '');
  const told: string[] = [];
  await (await openStore({ dataDir, notice: (text) => told.push(text) })).close();
  expect(told).toEqual([expect.stringContaining('was empty and was created again')]);
  expect(statSync(join(dataDir, 'store.sqlite')).size).toBeGreaterThan(0);
});

it('a new folder reports nothing', async () => {
  const told: string[] = [];
  await (await openStore({ dataDir, notice: (text) => told.push(text) })).close();
  expect(told).toEqual([]);
});
