import { expect, test } from 'vitest';
// @ts-expect-error a script without types
import { checkSubjects } from '../../../scripts/check/commits.mjs';

const check = checkSubjects as (subjects: string[]) => string[];

test.each([
  'fix(vm): treat "already stopped" as success',
  'feat: add seed data',
  'feat(http)!: bring back the old path',
  'docs(api, cli): say what Proxmox answers',
  'revert: need a lock again',
])('%s is a subject', (subject) => {
  expect(check([subject])).toEqual([]);
});

test.each([
  ['no type', 'treat stopped guests as success', 'write it as `type(scope): imperative`'],
  ['an unknown type', 'feature(vm): add a tool', 'choose a type of'],
  ['above 72 characters', `fix(vm): ${'x'.repeat(70)}`, 'shorten 79 characters to 72'],
  ['past tense', 'fix(vm): fixed the order', 'begin with an imperative'],
  ['a capital', 'fix(vm): Added a test', 'begin with an imperative'],
  ['third person', 'fix(vm): adds a test', 'begin with an imperative'],
  ['a full stop', 'fix(vm): add a test.', 'end without a full stop'],
])('%s is found', (_name, subject, instead) => {
  expect(check([subject])).toEqual([expect.stringContaining(instead)]);
});
