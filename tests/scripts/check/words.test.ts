import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { checkWords } from '../../../scripts/check/words.mjs';

const check = checkWords as (root: string) => string[];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'words-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

test('source, docs, scripts, README and changelog keep to plain English', () => {
  expect(check(join(import.meta.dirname, '../../..'))).toEqual([]);
});

test('a listed word is found in every place that people read, with its line and what to write instead', () => {
  const places = ['src/core/deep/a.ts', 'docs/decisions/b.md', 'scripts/docs/c.ts', 'src/console/page/d.html', 'README.md', 'CHANGELOG.md'];
  for (const path of places) put(path, 'fine\n// Nobody decided in time.\n');
  expect(check(folder)).toEqual(
    [...places].sort().map((path) => `${path}:2: Nobody -> name the actor: caller, requester, approver, operator, another process, client`),
  );
});

test.each([
  ['What', '/** What the reader has to hear once. */'],
  ['Who', '  // Who asks cannot decide.'],
  ['somebody', 'somebody else took it'],
  ['everybody', 'it is seen by everybody'],
  ['Whoever', 'Whoever asked cannot decide.'],
  ['no one', 'no one could fulfil it'],
  ['is no', '"x" is no IP address'],
  ['are none', '0x64 and 1e2 are none'],
  ['is none', 'guest 105 is none of them'],
  ['only door', 'engine.perform is the only door'],
  ['face', 'the face asks its human'],
  ['verdict', 'the verdict on a plan'],
  ['it does not start', 'no login exists: it does not start'],
])('%s is found', (word, line) => {
  put('src/a.ts', line);
  expect(check(folder)).toEqual([expect.stringMatching(new RegExp(`^src/a.ts:1: ${word} -> .`))]);
});

test.each([
  '// What if the answer is lost? It is watched.',
  'the guest is no longer listed',
  'there is no way to send one',
  'undefined when there is none',
  'the interface of a surface',
  'the answer is no, whatever else it says',
])('plain English passes: %s', (line) => {
  put('src/a.ts', line);
  expect(check(folder)).toEqual([]);
});

test('what people do not read, and other folders, are not checked', () => {
  put('src/simulator/data/contract.json', 'nobody');
  put('tests/a.ts', 'nobody');
  expect(check(folder)).toEqual([]);
});
