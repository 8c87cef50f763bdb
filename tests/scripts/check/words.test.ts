import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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
  ['carries its plan out', 'approve carries its plan out'],
  ['carried out', 'Proxmox carried out the request'],
  ['comes to nothing', 'the call comes to nothing'],
  ['anew', 'a chain written anew'],
  ['not pending any more', 'the approval is not pending any more'],
  ['out of band', 'a human decides out of band'],
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

test('text that people do not read, and other folders, are not checked', () => {
  put('src/simulator/data/contract.json', 'nobody');
  put('tests/a.ts', 'nobody');
  expect(check(folder)).toEqual([]);
});

const LONG = `This sentence ${'goes on '.repeat(12)}to the end.`;

describe('a sentence of more than 25 words is found', () => {
  test.each(['README.md', 'CHANGELOG.md', 'docs/a.md'])('in %s, with the line on which its paragraph begins', (path) => {
    put(path, `# Title\n\nA short one. ${LONG}\n`);
    expect(check(folder)).toEqual([`${path}:3: "This sentence goes on goes on …" -> more than 25 words: split it`]);
  });

  test.each([
    ['an error', `fail('internal', '${LONG}');`],
    ['a template, whatever it inserts', `fail('internal', \`$\{names.map((one) => \`"$\{one}"\`).join(', ')}. ${LONG}\`);`],
    ['the catalogue', `const ERRORS = { internal: { meaning: '${LONG}' } };`],
    ['a hint', `fail('internal', 'Short.', {\n  hint: isNew ? 'Short.' : '${LONG}' });`],
    ['the description of a setting', `setting(text, { description: '${LONG}' })`],
    ['the description of a parameter', `z.string().describe("${LONG}")`],
  ])('in %s', (_, source) => {
    put('src/a.ts', source);
    expect(check(folder)).toEqual([expect.stringMatching(/^src\/a.ts:\d: "This sentence goes on goes on …" -> more than 25 words/)]);
  });
});

test.each([
  'The policy cannot be used: rules.0: unknown key.',
  'There is no node X online; there are: a, b.',
  'The trail ends: line 5 was changed; record 6 is missing.',
])('a chain of colons or semicolons in an error is found: %s', (text) => {
  put('src/a.ts', `fail('internal', '${text}')`);
  expect(check(folder)).toEqual([expect.stringContaining('a chain of colons or semicolons: write sentences')]);
});

test.each([
  "command(program, 'call <operation>', 'run one operation and print all of its result as JSON')",
  'program.option(\'--name <name>\', "the name that the audit shows for this one token")',
  "program.description('a server that lets agents run whole Proxmox clusters safely')",
])('a help text of more than 8 words is found: %s', (source) => {
  put('src/cli/index.ts', source);
  expect(check(folder)).toEqual([expect.stringMatching(/^src\/cli\/index.ts:1: ".+" -> an imperative of at most 8 words$/)]);
});

test.each([
  ['docs/a.md', `\`\`\`\n${LONG}\n\`\`\``],
  [
    'docs/a.md',
    '| a cell of ten words stands beside another cell, no more | a cell of ten words stands beside another cell, no more | the third of them |',
  ],
  [
    'docs/a.md',
    `- an item of ten words stands above another item, no more\n- an item of ten words stands above another item, no more\n- the third of them`,
  ],
  ['docs/a.md', `The command \`${'word '.repeat(30)}\` is one word.`],
  ['src/a.ts', `const text = '${LONG}';`],
  ['src/a.ts', `fail('conflict', '10.0.0.1:8006 (eth0): refused. At 10:15 it was closed.')`],
  ['src/simulator/a.ts', `fail('internal', '${LONG}')`],
  ['src/cli/index.ts', "program.option('--key <file>', 'use this public key (default: the one of this whole installation)')"],
])('sentences that are not too long pass: %s %s', (path, text) => {
  put(path, text);
  expect(check(folder)).toEqual([]);
});

test.each([
  ['docs/a.md', 'Short. What waits for a human is listed.'],
  ['README.md', '| Who asks cannot decide. | |'],
  ['src/a.ts', "fail('internal', 'Not confirmed. Who asks cannot decide.')"],
])('a sentence that begins with a clause is found: %s %s', (path, text) => {
  put(path, text);
  expect(check(folder)).toEqual([expect.stringContaining('subject first: "The caller that …"')]);
});

test.each([
  ['docs/a.md', '| What happens | Who must act |'],
  ['docs/a.md', '- "What runs on node pve?" The agent lists it.'],
])('a heading or a question that begins with Who or What passes: %s %s', (path, text) => {
  put(path, text);
  expect(check(folder)).toEqual([]);
});
