import { expect, test } from 'vitest';
import { wrap } from '../../../src/cli/terminal/wrap.ts';

test('prose breaks between words, and no line is wider than the terminal', () => {
  expect(wrap('one two three four', { columns: 9, indent: '  ' })).toBe('one two\n  three\n  four');
});

test('text in columns continues below its last column', () => {
  expect(wrap('  call list_vms   prints every guest', { columns: 36 })).toBe('  call list_vms   prints every guest');
  expect(wrap('  call list_vms   prints every guest now', { columns: 38 })).toBe(
    '  call list_vms   prints every guest\n                  now',
  );
});

test('a word that is longer than the terminal stays whole, to be copied', () => {
  expect(wrap('see https://example.org/very/long', { columns: 10 })).toBe('see\nhttps://example.org/very/long');
});
