import { expect, it } from 'vitest';
import { tableText } from '../../../src/cli/terminal/table.ts';

it('shows a list on a terminal as a table without empty columns, and the rest below it', () => {
  const text = tableText({
    columns: ['vmid', 'name', 'lock', 'tags'],
    rows: [
      [105, 'web1', null, ['prod', 'web']],
      [106, 'bad\u001b[2J', null, null],
    ],
    total: 2,
  });
  expect(text).toMatch(/vmid.*name.*tags/);
  expect(text).not.toContain('lock');
  expect(text).toMatch(/105.*web1.*prod, web/);
  expect(text).not.toContain('\u001b[2J');
  expect(text.split('\n').at(-1)).toBe('total: 2');
});

it('shows an empty list by what else it says', () => {
  expect(tableText({ columns: [], rows: [], total: 0 })).toBe('total: 0');
});
