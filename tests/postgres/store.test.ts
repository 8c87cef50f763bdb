import pg from 'pg';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { storeContract } from '../store/contract.ts';
import { identityContract } from '../store/identities.ts';
import { rowsContract } from '../store/rows.ts';

const postgres = await startPostgres();
afterAll(() => postgres.stop());

const query = async (sql: string) => {
  const admin = new pg.Client(postgres.url);
  await admin.connect();
  await admin.query(sql);
  await admin.end();
};
await query('create database identities');

storeContract('PostgreSQL', () => openStore({ dataDir: '', databaseUrl: postgres.url }));
rowsContract('PostgreSQL', () => openStore({ dataDir: '', databaseUrl: postgres.url }));
identityContract('PostgreSQL', () => openStore({ dataDir: '', databaseUrl: postgres.url.replace(/\/[^/]*$/, '/identities') }));

describe('a restart of PostgreSQL', () => {
  it('is waited out by the calls made meanwhile', async () => {
    const store = await openStore({ dataDir: '', databaseUrl: postgres.url });
    await store.approvals.list({ limit: 1 });
    await postgres.down();
    const asked = store.approvals.list({ limit: 1 });
    await postgres.up();
    expect(await asked).toMatchObject({ approvals: expect.any(Array) });
    await store.close();
  });
});

describe('a database that cannot serve', () => {
  it('is named: it does not exist', async () => {
    const databaseUrl = postgres.url.replace(/\/[^/]*$/, '/nowhere');
    await expect(openStore({ dataDir: '', databaseUrl })).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('"nowhere" does not exist'),
    });
  });

  it('is named: a right is taken away while it is in use', async () => {
    const admin = new pg.Client(postgres.url);
    await admin.connect();
    await admin.query('create role weak login');
    await admin.query('create database weak owner weak');
    const databaseUrl = postgres.url.replace('tester@', 'weak@').replace(/\/[^/]*$/, '/weak');
    const store = await openStore({ dataDir: '', databaseUrl });
    await store.approvals.list({ limit: 1 });
    const inside = new pg.Client(postgres.url.replace(/\/[^/]*$/, '/weak'));
    await inside.connect();
    await inside.query('alter table approvals owner to tester');
    await expect(store.approvals.list({ limit: 1 })).rejects.toMatchObject({ code: 'store_unavailable' });
    await Promise.all([store.close(), inside.end(), admin.end()]);
  });

  it.each([
    ['ahead of', 60_000],
    ['behind', -60_000],
  ])('is named: the clock of this machine is %s its own', async (word, skew) => {
    const store = await openStore({ dataDir: '', databaseUrl: postgres.url });
    await store.check();
    const now = Date.now.bind(Date);
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + skew);
    try {
      const refusal = { code: 'store_unavailable', message: `The clock of this machine is 60 s ${word} that of the database.` };
      await expect(store.check()).rejects.toMatchObject(refusal);
      await expect(openStore({ dataDir: '', databaseUrl: postgres.url })).rejects.toMatchObject(refusal);
    } finally {
      clock.mockRestore();
      await store.close();
    }
  });
});
