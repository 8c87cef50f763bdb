import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
// @ts-expect-error a script without types
import { findTests } from '../../scripts/tests-of.mjs';

const root = join(import.meta.dirname, '../..');
const testsOf = (findTests as () => (file: string) => string[])();

test.each([
  ['its own test', 'src/engine/limits/reservations.ts', ['tests/engine/limits/reservations.test.ts']],
  [
    'the tests of the folder, where each imports all operations',
    'src/operations/snapshot/list-snapshots.ts',
    ['tests/operations/snapshot/rollback-snapshot.test.ts', 'tests/operations/snapshot/snapshots.test.ts'],
  ],
  [
    'the tests of what imports it',
    'src/operations/vm/lib/tags.ts',
    ['tests/operations/vm/create-container.test.ts', 'tests/operations/vm/create-vm.test.ts'],
  ],
])('a source leads to %s', (_, file, tests) => {
  expect(testsOf(file)).toEqual(tests);
});

test('every source leads to a test', () => {
  const sources = execFileSync('git', ['ls-files', 'src/*.ts'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  expect(sources.length).toBeGreaterThan(500);
  expect(sources.filter((file) => testsOf(file).length === 0)).toEqual([]);
});

test('a path that is not a source is refused', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/tests-of.mjs', 'README.md'], { cwd: root, encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, 'README.md: not a file of src/. Name one, such as src/engine/limits/reservations.ts.\n']);
});
