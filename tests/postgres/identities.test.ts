import { afterAll } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { identityContract } from '../store/identities.ts';

const postgres = await startPostgres();
afterAll(() => postgres.stop());

identityContract('PostgreSQL', () => openStore({ dataDir: '', databaseUrl: postgres.url }));
