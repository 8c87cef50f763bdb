import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { checkMarks } from '../../../scripts/check/marks.mjs';

const check = checkMarks as (root: string) => string[];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'marks-'));
  execFileSync('git', ['init', '-q', folder]);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function keep(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
  execFileSync('git', ['add', name], { cwd: folder });
}

test('no file has a mark of a merge', () => {
  expect(check(join(import.meta.dirname, '../../..'))).toEqual([]);
});

test('both ends of a conflict are found, in any file', () => {
  keep('a.md', `one\n${'<'.repeat(7)} HEAD\ntwo\n=======\nthree\n${'>'.repeat(7)} other\n`);
  expect(check(folder)).toEqual(['a.md:2: a mark of a merge -> finish the merge', 'a.md:6: a mark of a merge -> finish the merge']);
});

test('an underlined heading is not a mark', () => {
  keep('a.md', 'Title\n=======\n');
  expect(check(folder)).toEqual([]);
});
