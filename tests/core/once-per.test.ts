import { expect, it } from 'vitest';
import { oncePer } from '../../src/core/once-per.ts';

it('makes a value of an object once, and again for another object or other arguments', () => {
  let made = 0;
  const nth = oncePer((_key: object, _word?: string) => ({ n: ++made }));
  const [one, other] = [{}, {}];
  expect(nth(one)).toBe(nth(one));
  expect([nth(one), nth(other), nth(one)].map(({ n }) => n)).toEqual([1, 2, 1]);
  expect([nth(one, 'a'), nth(one, 'a'), nth(one, 'b'), nth(one, 'a')].map(({ n }) => n)).toEqual([3, 3, 4, 5]);
});

it('keeps a value that is nothing, and no value of a failure', () => {
  let asked = 0;
  const nothing = oncePer((_key: object): undefined => void asked++);
  const key = {};
  nothing(key);
  nothing(key);
  expect(asked).toBe(1);
  const failing = oncePer((_key: object) => {
    asked++;
    if (asked === 2) throw new Error('once');
    return asked;
  });
  expect(() => failing(key)).toThrow('once');
  expect(failing(key)).toBe(3);
});
