import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { storeContract } from './contract.ts';
import { rowsContract } from './rows.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'store-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

storeContract('SQLite', () => openStore({ dataDir }));
rowsContract('SQLite', () => openStore({ dataDir }));
