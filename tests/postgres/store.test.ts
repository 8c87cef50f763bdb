import { afterAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { storeContract } from '../store/contract.ts';

const postgres = await startPostgres();
afterAll(() => postgres.stop());

storeContract('PostgreSQL', () => openStore({ dataDir: '', databaseUrl: postgres.url }));

describe('a restart of PostgreSQL', () => {
  it('is waited out by what was asked meanwhile', async () => {
    const store = await openStore({ dataDir: '', databaseUrl: postgres.url });
    await store.approvals.list({ limit: 1 });
    await postgres.down();
    const asked = store.approvals.list({ limit: 1 });
    await postgres.up();
    expect(await asked).toMatchObject({ approvals: expect.any(Array) });
    await store.close();
  });
});
