// The tests that tell whether a source file still works.   npm run tests-of -- src/engine/limits/reservations.ts
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { importsOf } from './check/imports.mjs';

const root = join(import.meta.dirname, '..');
const MANY = 10;
const TYPES = /^import type [^;]+;/gm;
const filesIn = (folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path));

/** For each file, those that import code of it. */
function importersOf(files) {
  const importers = new Map();
  for (const file of files)
    for (const target of importsOf(root, file, TYPES)) importers.set(target, [...(importers.get(target) ?? []), file]);
  return importers;
}

/** @returns a function from the path of a source to paths of tests, all relative to the root */
export function findTests() {
  const sources = importersOf(filesIn('src').filter((file) => file.endsWith('.ts')));
  const tests = importersOf(filesIn('tests').filter((file) => file.endsWith('.test.ts')));
  const own = (file) => [file.replace(/^src\/(.*)\.ts$/, 'tests/$1.test.ts')].filter((path) => existsSync(join(root, path)));
  const beside = (file) => {
    for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) {
      const mirrored = folder.replace(/^src/, 'tests');
      if (existsSync(join(root, mirrored))) return filesIn(mirrored).filter((path) => path.endsWith('.test.ts'));
    }
    return [];
  };
  /**
   * The test at the same path below tests/; else those that import the file; else the same of the files that import it, and so on. The tests of
   * its folder where there are none, or so many that they tell nothing of this file.
   */
  return (file) => {
    const seen = new Set([file]);
    for (let level = [file]; level.length > 0; ) {
      for (const nearest of [own, (one) => tests.get(one) ?? []]) {
        const found = new Set(level.flatMap(nearest));
        if (found.size > MANY && level[0] !== file) return beside(file);
        if (found.size > 0) return [...found].sort();
      }
      level = [...new Set(level.flatMap((one) => sources.get(one) ?? []))].filter((one) => !seen.has(one));
      for (const one of level) seen.add(one);
    }
    return beside(file);
  };
}

if (process.argv[1] === import.meta.filename) {
  const files = process.argv.slice(2).map((path) => relative(root, resolve(path)));
  const wrong = files.filter((file) => !/^src\/.*\.ts$/.test(file) || !existsSync(join(root, file)));
  if (files.length === 0 || wrong.length > 0) {
    const problem = files.length === 0 ? 'No file was given.' : `${wrong.join(', ')}: not a file of src/.`;
    process.stderr.write(`${problem} Name one, such as src/engine/limits/reservations.ts.\n`);
    process.exit(2);
  }
  const testsOf = findTests();
  for (const test of new Set(files.flatMap(testsOf))) process.stdout.write(`${test}\n`);
}
