import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/store/index.ts';
import { identityContract } from './identities.ts';

identityContract('SQLite', () => openStore({ dataDir: mkdtempSync(join(tmpdir(), 'identities-')) }));
