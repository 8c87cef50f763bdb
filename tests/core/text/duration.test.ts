import { expect, test } from 'vitest';
import { duration, parseDuration } from '../../../src/core/text/duration.ts';

test('a duration is a whole number with s, m, h or d', () => {
  expect(['30s', '15m', '24h', '7d', '0s'].map(parseDuration)).toEqual([30, 900, 86_400, 604_800, 0]);
  for (const wrong of ['', '15', 'm', '1.5h', '-1h', '1 h', '1h30m', '1w', '15M', '١h'])
    expect(parseDuration(wrong), wrong).toBeUndefined();
});

test('a text for people has the two largest units', () => {
  expect([0, 59, 60, 3_600, 93_784, 604_800].map(duration)).toEqual(['0 s', '59 s', '1 min', '1 h', '1 d 2 h', '7 d']);
});
