import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { checkSizes } from '../../../scripts/check/sizes.mjs';

const check = checkSizes as (root: string) => string[];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sizes-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

test('files and folders of the product are small', () => {
  expect(check(join(import.meta.dirname, '../../..'))).toEqual([]);
});

test.each(['src/core/a.ts', 'src/console/page/a.css', 'src/console/page/a.html', 'scripts/release/a.mjs'])(
  '%s may have 300 lines and not one more',
  (path) => {
    put(path, 'x\n'.repeat(300));
    expect(check(folder)).toEqual([]);
    put(path, 'x\n'.repeat(301));
    expect(check(folder)).toEqual([`${path}: 301 lines -> at most 300: move a part of it into a file of its own`]);
  },
);

test('a folder below src may hold 20 files and not one more; folders in it do not count', () => {
  for (let number = 1; number <= 20; number++) put(`src/core/file-${number}.ts`, '');
  put('src/core/deep/a.ts', '');
  expect(check(folder)).toEqual([]);
  put('src/core/data.json', '');
  expect(check(folder)).toEqual(['src/core: 21 files -> at most 20: sort them into folders']);
});

test.each([
  ['data', 'src/simulator/data/contract.json'],
  ['a test', 'tests/engine/a.test.ts'],
])('%s may be long', (_, path) => {
  put(path, 'x\n'.repeat(1000));
  expect(check(folder)).toEqual([]);
});
