import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { home } from './run.ts';

const root = join(import.meta.dirname, '../..');
const place = home();
afterAll(place.remove);

/** The lines of a picture, as its reader sees them. */
const linesOf = (file: string) =>
  [...readFileSync(file, 'utf8').matchAll(/<text class="(\w+)"[^>]*>(.*?)<\/text>/g)].map(([, kind, text = '']) => ({
    kind,
    text: text.replaceAll('&quot;', '"').replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&'),
  }));
/** Ids differ from run to run. */
const commandsOf = (file: string) =>
  linesOf(file)
    .filter(({ kind }) => kind === 'command')
    .map(({ text }) => text.replace(/apr_\w+/, 'ID'));

test('the recorded session shows what the program prints: a request, its approval by the typed name, and the outcome', () => {
  expect(binary()).toBe(join(root, 'dist/cli.js'));
  const file = join(place.folder, 'session.svg');
  execFileSync(process.execPath, [join(root, 'scripts/site/session.mjs'), file]);
  const lines = linesOf(file);
  const texts = lines.map(({ text }) => text);
  expect(commandsOf(file)).toEqual([
    `$ proxmox-mcp call list_vms --args '{"tag":"web"}' --demo`,
    `$ proxmox-mcp call stop_vm --args '{"name":"web2"}' --demo`,
    '$ proxmox-mcp approvals approve ID --demo',
  ]);
  expect(texts).toContain('approval_required: true');
  expect(texts).toContain('To approve, type: web2 101');
  expect(lines).toContainEqual({ kind: 'typed', text: '> web2 101' });
  expect(texts).toContain('status: succeeded');
  // No escape of the terminal is left, and the picture in the documentation has the same commands.
  expect(texts.filter((text) => /\p{Cc}/u.test(text))).toEqual([]);
  expect(commandsOf(join(root, 'docs/images/session.svg'))).toEqual(commandsOf(file));
});
