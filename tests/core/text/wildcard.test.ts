import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matches } from '../../../src/core/text/wildcard.ts';

const letters = fc.array(fc.constantFrom('a', 'b', 'A', '-', '.', '*'), { maxLength: 12 }).map((c) => c.join(''));

test('agrees with the regular expression that a pattern stands for', () => {
  fc.assert(
    fc.property(letters, letters, (text, pattern) => {
      const escaped = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      expect(matches(text, pattern)).toBe(new RegExp(`^${escaped.join('.*')}$`, 'is').test(text));
    }),
    { numRuns: 2000 },
  );
});

test('a pattern without a star is an exact name, whatever its case', () => {
  expect(matches('Web1', 'web1')).toBe(true);
  expect(matches('web10', 'web1')).toBe(false);
  expect(matches('', '*')).toBe(true);
});

test('a hostile pattern costs no more than its length times that of the text', () => {
  // A backtracking matcher would take exponential time here.
  expect(matches('a'.repeat(20_000), `${'*a'.repeat(60)}b`)).toBe(false);
});
