import { afterEach, expect, test, vi } from 'vitest';
import { hasColours, hasUnicode } from '../../../src/cli/terminal/look.ts';
import { barLine } from '../../../src/cli/terminal/progress.ts';

afterEach(() => vi.unstubAllEnvs());

test.each([
  [{ isTTY: true }, {}, true],
  [{ isTTY: false }, {}, false],
  [{ isTTY: true }, { NO_COLOR: '1' }, false],
  [{ isTTY: true }, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  [{ isTTY: false }, { FORCE_COLOR: '1' }, true],
  [{ isTTY: true }, { FORCE_COLOR: '0' }, false],
  [{ isTTY: true }, { TERM: 'dumb' }, false],
])('a stream %j with %j has colours: %s', (stream, variables: Record<string, string>, expected) => {
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'TERM']) vi.stubEnv(name, variables[name]);
  expect(hasColours(stream)).toBe(expected);
});

test.each([
  [{ LANG: 'en_GB.UTF-8' }, true],
  [{ LC_CTYPE: 'C.utf8' }, true],
  [{ LANG: 'en_GB.UTF-8', LC_ALL: 'C' }, false],
  [{ LANG: 'en_GB.UTF-8', TERM: 'dumb' }, false],
  [{}, false],
])('the locale %j shows more than ASCII: %s', (env, expected) => {
  expect(hasUnicode(env as NodeJS.ProcessEnv, 'linux')).toBe(expected);
});

test('a bar says how many steps are done, and is no wider than the terminal', () => {
  const progress = { done: 1, total: 4, message: 'start web (101): task UPID:pve:0001' };
  expect(barLine(progress, 80, false)).toBe('#####............... 1/4 start web (101): task UPID:pve:0001');
  expect(barLine(progress, 80, true)).toMatch(/^█{5}░{15} 1\/4 start/);
  expect(barLine(progress, 40, false)).toHaveLength(39);
  expect(barLine({ done: 0, total: 0, message: 'waiting' }, 80, false)).toBe('waiting');
});
