import { readFileSync } from 'node:fs';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { exclusive } from '../../src/store/dialect.ts';
import { openStore } from '../../src/store/index.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { run, storeContract } from '../store/contract.ts';
import { identityContract } from '../store/identities.ts';
import { rowsContract } from '../store/rows.ts';
import { upgradeContract } from '../store/upgrades.ts';

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

let former = 0;
upgradeContract('PostgreSQL', async () => {
  const name = `former_${++former}`;
  await query(`create database ${name}`);
  const databaseUrl = postgres.url.replace(/\/[^/]*$/, `/${name}`);
  const dialect = new PostgresDialect({ pool: new pg.Pool({ connectionString: databaseUrl }) });
  return { db: new Kysely<unknown>({ dialect }), open: () => openStore({ dataDir: '', databaseUrl }) };
});

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

describe('a replica that falls silent in the middle of a transaction', () => {
  it('does not stop the others, and its transaction changes nothing when it wakes up', async () => {
    const [silent, other] = [await openPostgres(postgres.url), await openPostgres(postgres.url)];
    let wake = () => {};
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    let holds = () => {};
    const held = new Promise<void>((resolve) => (holds = resolve));
    const late = exclusive(silent, async (tx) => {
      await tx.insertInto('keys').values({ name: 'late', value: 'x' }).execute();
      holds();
      await asleep;
    });
    late.catch(() => {});
    await held;
    const value = await exclusive(other, async () => 'done');
    wake();
    expect(value).toBe('done');
    await expect(late).rejects.toThrow();
    expect(await other.selectFrom('keys').select('name').where('name', '=', 'late').execute()).toEqual([]);
    await Promise.all([silent.destroy(), other.destroy()]);
  }, 60_000);

  it.skipIf(process.platform !== 'linux')('is noticed by the system, and so is a database that falls silent', async () => {
    const db = await openPostgres(postgres.url);
    const port = Number(new URL(postgres.url).port).toString(16).toUpperCase().padStart(4, '0');
    // Columns of /proc/net/tcp: the remote address, the state (01: established), the timer (02: keepalive), the socket.
    const probed = () => new RegExp(`:${port} 01 \\S+ 02:\\S+ `).test(readFileSync('/proc/self/net/tcp', 'utf8'));
    while (!probed()) await systemClock.sleep(20);
    await db.destroy();
  });
});

describe('a database whose default is another isolation of transactions', () => {
  it.each(['repeatable read', 'serializable'])(
    'counts right with %s: of many runs at once, as many begin as the limit allows',
    async (level) => {
      const name = level.replace(' ', '_');
      await query(`create database ${name}`);
      await query(`alter database ${name} set default_transaction_isolation = '${level}'`);
      const databaseUrl = postgres.url.replace(/\/[^/]*$/, `/${name}`);
      const stores = await Promise.all([1, 2].map(() => openStore({ dataDir: '', databaseUrl })));
      const admission = {
        since: '2000-01-01T00:00:00.000Z',
        check: (recent: unknown[]) => {
          if (recent.length >= 3) throw new Error('the limit is reached');
        },
      };
      const begun = await Promise.allSettled(
        Array.from({ length: 24 }, (_, n) =>
          stores[n % 2]?.runs.begin(run(`run_${n}`), 'worker', '2100-01-01T00:00:00.000Z', { admission }),
        ),
      );
      expect(begun.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
      for (const one of begun) if (one.status === 'rejected') expect(one.reason.message).toBe('the limit is reached');
      await Promise.all(stores.map((store) => store.close()));
    },
  );
});

describe('a database that cannot serve', () => {
  it('is named: it cannot store every text', async () => {
    await query("create database latin encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'");
    const databaseUrl = postgres.url.replace(/\/[^/]*$/, '/latin');
    await expect(openStore({ dataDir: '', databaseUrl })).rejects.toMatchObject({
      code: 'store_unavailable',
      message: 'The database has the encoding LATIN1, which cannot store every text.',
    });
  });

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
