// The checks of `npm run lint` beside Biome's: a line for each fault, with what to do.
import { join } from 'node:path';
import { checkCommits } from './commits.mjs';
import { checkImports } from './imports.mjs';
import { checkMarks } from './marks.mjs';
import { checkSizes } from './sizes.mjs';
import { checkWords } from './words.mjs';

const root = join(import.meta.dirname, '../..');
const wrong = [checkImports, checkWords, checkSizes, checkMarks, checkCommits].flatMap((check) => check(root));
for (const line of wrong) process.stderr.write(`${line}\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
