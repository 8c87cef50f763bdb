import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kysely, SqliteDialect } from 'kysely';
import { afterAll } from 'vitest';
import SqliteDatabase from '../../src/sqlite.ts';
import { openStore } from '../../src/store/index.ts';
import { storeContract } from './contract.ts';
import { rowsContract } from './rows.ts';
import { upgradeContract } from './upgrades.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'store-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

storeContract('SQLite', () => openStore({ dataDir }));
rowsContract('SQLite', () => openStore({ dataDir }));
upgradeContract('SQLite', async () => {
  const folder = mkdtempSync(join(dataDir, 'former-'));
  const dialect = new SqliteDialect({ database: new SqliteDatabase(join(folder, 'store.sqlite')) });
  return { db: new Kysely<unknown>({ dialect }), open: () => openStore({ dataDir: folder }) };
});
