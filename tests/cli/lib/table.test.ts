import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { table } from '../../../src/cli/lib/table.ts';

beforeEach(() => {
  vi.stubEnv('FORCE_COLOR', '1');
  vi.stubEnv('LC_ALL', 'C.UTF-8');
  vi.stubEnv('TERM', 'xterm');
});
afterEach(() => vi.unstubAllEnvs());

const head = ['id', 'what'];
const rows = [
  ['apr_0123456789abcdef', 'Shut down web1'],
  ['apr_fedcba9876543210', ''],
];

test('no line is wider than the terminal', () => {
  vi.stubEnv('NO_COLOR', '1');
  for (const columns of [100, 40, 36])
    for (const line of table(head, rows, { columns }).split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
});

test('where a table cannot be as narrow as the terminal, each row takes lines of its own and ids stay whole', () => {
  expect(table(head, rows, { columns: 30 })).toBe('id: apr_0123456789abcdef\nwhat: Shut down web1\n\nid: apr_fedcba9876543210');
});

test('NO_COLOR is respected', () => {
  vi.stubEnv('NO_COLOR', '1');
  expect(table(head, rows)).not.toContain('\u001b');
});

test('a column is as wide as its characters are on the terminal', () => {
  vi.stubEnv('NO_COLOR', '1');
  const wide = table(['name', 'note'], [['漢字漢字漢字', '🚀 up']], { columns: 60 });
  expect(wide).toContain('漢字漢字漢字');
  expect(wide).toContain('🚀 up');
  expect(wide.split('\n')[0]?.length).toBe(12 + 2 + 5 + 2 + 3);
});

test('a terminal without UTF-8 gets a frame of ASCII, and so does a dumb one', () => {
  vi.stubEnv('NO_COLOR', '1');
  vi.stubEnv('LC_ALL', 'C');
  const plain = ['+-----+', '| id  |', '| one |', '+-----+'].join('\n');
  expect(table(['id'], [['one']])).toBe(plain);
  vi.stubEnv('LC_ALL', 'C.UTF-8');
  expect(table(['id'], [['one']])).toContain('┌─────┐');
  vi.stubEnv('TERM', 'dumb');
  expect(table(['id'], [['one']])).toBe(plain);
});
