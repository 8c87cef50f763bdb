import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { table, tableText } from '../../../src/cli/terminal/table.ts';

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
  expect(table(head, rows, { columns: 25 })).toBe('id: apr_0123456789abcdef\nwhat: Shut down web1\n\nid: apr_fedcba9876543210');
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

test('a narrow terminal gets no frame, and a long name goes on several lines at its hyphens', () => {
  vi.stubEnv('NO_COLOR', '1');
  const list = table(['vmid', 'name', 'volume'], [['111', 'Copy-of-VM-debian-12-template', 'local:iso/debian-12-netinst.iso']], {
    columns: 60,
  });
  expect(list.split('\n').map((line) => line.trimEnd())).toEqual([
    'vmid  name         volume',
    '111   Copy-of-VM-  local:iso/debian-12-netinst.iso',
    '      debian-12-',
    '      template',
  ]);
});

test('a list for people has words as heads, and an uptime in days', () => {
  vi.stubEnv('NO_COLOR', '1');
  const text = tableText({ columns: ['vmid', 'memory_used_mb', 'uptime'], rows: [[100, 606, 93_784]] });
  expect(text).toContain('│ memory used mb │');
  expect(text).toContain('│ 1 d 2 h │');
});
