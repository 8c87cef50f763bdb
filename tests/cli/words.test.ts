import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { home, type Ran } from './run.ts';

// Every command that help names refuses what it does not take: a word or an option that is ignored lets a person believe that it had an effect.

const place = home();
afterAll(place.remove);

interface Described {
  name: string;
  path: string[];
  /** The words that it needs. */
  words: string[];
  holdsOthers: boolean;
}

/** All commands, by walking from help to help. */
async function commands(path: string[] = []): Promise<Described[]> {
  const { stdout } = await place.run([...path, '--help']);
  const [, usage = ''] = /^Usage: proxmox-mcp ?(.*)$/m.exec(stdout) ?? [];
  const [, block = ''] = /^Commands:\n((?: +.*\n)+)/m.exec(stdout) ?? [];
  const names = [...block.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
  const words = [...usage.matchAll(/<(\w+)>/g)].map(([, word = '']) => word).filter((word) => word !== 'command');
  const own = { name: path.join(' '), path, words: words.map(() => 'word'), holdsOthers: names.length > 0 };
  const below: Described[] = [];
  for (const name of names) below.push(...(await commands([...path, name])));
  return path.length === 0 ? below : [own, ...below];
}

const all = await commands();

/** With each option that the command demands. */
async function runWhole(args: string[]): Promise<Ran> {
  const ran = await place.run(args);
  const [, demanded] = /required option '(--[\w-]+)/.exec(ran.stderr) ?? [];
  return demanded === undefined ? ran : runWhole([...args, demanded, 'value']);
}

test('the walk finds groups and what they hold', () => {
  const names = all.map(({ name }) => name);
  for (const name of ['stdio', 'call', 'approvals', 'approvals lease add', 'tokens list', 'service install', 'connect'])
    expect(names).toContain(name);
});

test.each(all)('$name refuses a word more than it takes, before anything happens', async ({ path, words, holdsOthers }) => {
  const ran = await runWhole([...path, ...words, 'surplus']);
  const said = holdsOthers || path[0] === 'stdio' ? "unknown command 'surplus'" : `too many arguments for '${path.at(-1)}'`;
  expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
  expect(existsSync(join(place.folder, '.local'))).toBe(false);
});

test.each(all)('$name refuses an option that it does not have', async ({ path, words, holdsOthers }) => {
  const ran = await runWhole([...path, ...words, '--surplus']);
  const said = holdsOthers && path.at(-1) !== 'lease' ? 'a command is missing' : "unknown option '--surplus'";
  expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
});

test.each(all)('help on $name is its own help', async ({ path }) => {
  const { stdout } = await place.run(['help', ...path]);
  expect(stdout).toBe((await place.run([...path, '--help'])).stdout);
});

test.each([
  [['help', 'aprovals'], 'Did you mean: proxmox-mcp approvals?'],
  [['help', 'approvals', 'lits'], 'Did you mean: proxmox-mcp approvals list?'],
  [['help', 'call', 'list_vms'], "unknown command 'list_vms'"],
  [['approvals', 'lease', 'revke', 'x'], 'Did you mean: proxmox-mcp approvals lease revoke?'],
])('%j names the word that is wrong', async (args, words) => {
  expect(await place.run(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
});
