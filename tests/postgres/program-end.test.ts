import { afterAll } from 'vitest';
import { programEndContract } from '../e2e/program-end.ts';
import { startPostgres } from '../helpers/postgres.ts';

const postgres = await startPostgres();
afterAll(() => postgres.stop());

programEndContract('PostgreSQL', () => ({ PROXMOX_DATABASE_URL: postgres.url }));
