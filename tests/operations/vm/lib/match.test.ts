import { expect, test } from 'vitest';
import { sameName } from '../../../../src/operations/vm/lib/match.ts';

test('names of guests are the same whatever their case', () => {
  expect(sameName('T700', 't700')).toBe(true);
  expect(sameName('T700', 'T70')).toBe(false);
});
