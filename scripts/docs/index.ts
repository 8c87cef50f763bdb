import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { apiMethodsDoc } from './api-methods.ts';
import { matrix, policyKeys, withBlocks } from './approvals.ts';
import { clientsDoc, clientTable } from './clients.ts';
import { configurationDoc, envExample } from './configuration.ts';
import { errorsDoc } from './errors.ts';
import { resourcesDoc } from './resources.ts';
import { rightsDoc, tokenRemoval, tokenSetup } from './rights.ts';
import { readmeTable, skillTable } from './tables.ts';
import { toolsDoc } from './tools.ts';

// Writes the documentation that follows from definitions; with --check only says whether it is current. Run from the project's folder.

const APPROVALS = 'docs/approvals.md';
const MATRIX = 'docs/approvals-matrix.json';
// The bundle is CommonJS, which knows no top-level await.
async function run(): Promise<void> {
  const files: Record<string, string> = {
    'docs/tools.md': toolsDoc(),
    'docs/configuration.md': configurationDoc(),
    'docs/errors.md': errorsDoc(),
    'docs/resources.md': resourcesDoc(),
    'docs/rights.md': await rightsDoc(),
    'docs/api-methods.md': await apiMethodsDoc(),
    'docs/how-to/connect-a-client.md': clientsDoc(),
    '.env.example': envExample(),
  };
  // Hand-written text stays; only the marked parts follow from definitions.
  const [token, undo] = [await tokenSetup(), await tokenRemoval()];
  const parts: Record<string, () => Record<string, string>> = {
    [APPROVALS]: () => ({ 'policy keys': policyKeys(), matrix: matrix(readIfThere(MATRIX)) }),
    'README.md': () => ({ tools: readmeTable(), token, clients: clientTable() }),
    'docs/how-to/token.md': () => ({ token }),
    'docs/how-to/uninstall.md': () => ({ undo }),
    'docs/SKILL.md': () => ({ operations: skillTable() }),
  };
  for (const [file, blocks] of Object.entries(parts)) {
    const text = readIfThere(file);
    if (text !== '') files[file] = withBlocks(text, blocks());
  }

  const check = process.argv.includes('--check');
  if (!check) mkdirSync('docs/how-to', { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    if (check) {
      if (readIfThere(file) === text) continue;
      process.stderr.write(`${file} is not what the definitions say. Run: npm run build && npm run docs\n`);
      process.exitCode = 1;
    } else writeFileSync(file, text);
  }
}

void run();

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
