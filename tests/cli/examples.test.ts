import { execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { command, type Ran as Whole } from '../helpers/command.ts';
import { home } from './run.ts';

// Each command that help, README and the documentation print runs as printed, on the embedded cluster. A shell splits its words. The command
// then runs in this process, or in one of its own where a human or another program takes part.

const root = join(import.meta.dirname, '../..');
const place = home();
afterAll(place.remove);

/** These serve until they end, need a human or root, show a form of a command, or have a test of their own (demo): their help must exist. */
const SHOWN_ONLY =
  /^(npx )?proxmox-mcp(( (console|http|stdio|connect|demo|approvals (watch|passphrase|lease)|service install|runs close|completion|setup --toolsets|tokens passphrase|audit rotate)\b.*)?| call| tokens( add)?)$| call <| …/;

beforeAll(() => {
  const bin = join(place.folder, 'bin');
  mkdirSync(bin);
  // What has no --demo of its own runs on the embedded cluster too.
  const demo = 'case " $* " in *" --demo "*|*" version "*|*" completion "*|*" --url "*) ;; *) set -- "$@" --demo;; esac';
  const told = `if [ -n "$WORDS" ]; then printf '%s\\0' "$#" "$@" >> "$WORDS"; exit; fi`;
  const programs = { 'proxmox-mcp': `${demo}\n${told}\nexec '${process.execPath}' '${binary()}' "$@"`, npx: 'exec "$@"' };
  for (const [name, lines] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${lines}\n`);
    chmodSync(join(bin, name), 0o755);
  }
});

type Ran = Pick<Whole, 'code' | 'stdout' | 'stderr'>;

/** @param folder the data folder: the examples of one text follow each other on one cluster */
const envOf = (folder: string) => ({
  ...place.env,
  PATH: `${join(place.folder, 'bin')}:${process.env.PATH}`,
  PROXMOX_DATA_DIR: join(place.folder, folder),
});

async function shell(line: string, folder: string): Promise<Ran> {
  const env = envOf(folder);
  const bash = (more: Record<string, string>) =>
    new Promise<Ran>((resolve) =>
      execFile('bash', ['-c', line], { env: { ...env, ...more }, cwd: place.folder, timeout: 120_000 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      ),
    );
  // Joined with another program.
  if (/[|<>`]|\$\(/.test(line)) return bash({});
  const file = join(place.folder, 'words');
  expect(await bash({ WORDS: file }), line).toMatchObject({ code: 0, stderr: '' });
  const words = readFileSync(file, 'utf8').split('\0').slice(0, -1);
  rmSync(file);
  let ran: Ran = { code: 0, stdout: '', stderr: '' };
  // Of `one && two`, the second one runs after a success alone.
  while (words.length > 0 && ran.code === 0) ran = await command(words.splice(0, Number(words.shift())), { env });
  return ran;
}

/** In a terminal; a human reads what to type, and types it. */
function terminal(line: string, folder: string): Promise<Ran> {
  const env = envOf(folder);
  const child = spawn('script', ['-qec', line, '/dev/null'], { env, cwd: place.folder });
  let stdout = '';
  let hasTyped = false;
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    const [, text] = /To approve, type: ([^\r\n]+)[^>]*> /.exec(stdout) ?? [];
    if (text === undefined || hasTyped) return;
    hasTyped = true;
    child.stdin.write(`${text}\n`);
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr: '' })));
}

const COMMAND = /^\s*(npx )?proxmox-mcp /;

/** The commands of a text with code blocks, or of a help; one in quotes may take several lines. */
function commandsIn(text: string): string[] {
  const found: string[] = [];
  let open = '';
  for (const line of text.split('\n')) {
    if (open === '' && !COMMAND.test(line)) continue;
    open = open === '' ? line : `${open}\n${line}`;
    if ((open.split("'").length - 1) % 2 === 1) continue;
    found.push(open.trim());
    open = '';
  }
  return found;
}

const fenced = (text: string) => [...text.matchAll(/^```(?:sh|bash)\n(.*?)^```/gms)].map(([, block = '']) => block).join('\n');
const inline = (text: string) => [...text.matchAll(/`((?:npx )?proxmox-mcp [^`]*)`/g)].map(([, command = '']) => command.trim());

/** Runs them one after the other. A remark after two blanks says how a command ends; ID is the approval that was asked for before it. */
async function runAll(commands: readonly string[], folder: string): Promise<void> {
  let approval = '';
  for (const printed of commands) {
    const [line = '', remark = ''] = printed.split(/ {2,}(?=[^"]*$)/);
    const needsHuman = / approvals (approve|deny) /.test(line);
    const ran = await (needsHuman ? terminal : shell)(line.replace(/\b(APPROVAL_ID|ID)\b/, approval), folder);
    expect(ran, printed).toMatchObject({ code: Number(/exit (?:code )?(\d)/.exec(remark)?.[1] ?? 0) });
    approval = /"approval_id": "([^"]+)"/.exec(ran.stdout)?.[1] ?? approval;
  }
}

const read = (file: string) => readFileSync(join(root, file), 'utf8');
/** The generated pages of tools have a test of their own, which runs each example. */
const PAGES = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md') && name !== 'tools.md')
  .map((name) => `docs/${name}`);
const WITH_CODE = ['README.md', ...PAGES].filter((file) => commandsIn(fenced(read(file))).length > 0);

describe('the examples work as printed', () => {
  test('README, skill, tutorial and how-to pages have examples', () => {
    for (const file of ['README.md', 'docs/SKILL.md', 'docs/tutorial/ten-minutes.md', 'docs/how-to/token.md', 'docs/deployment.md'])
      expect(WITH_CODE).toContain(file);
  });

  test.each(WITH_CODE)('in the code of %s', async (file) => {
    const commands = commandsIn(fenced(read(file)));
    await runAll(
      commands.filter((one) => !SHOWN_ONLY.test(one)),
      file.replaceAll(/\W/g, '-'),
    );
  });

  test.each([
    ['--help', 4],
    ['call --help', 4],
    ['client-config --help', 3],
  ])('in the help of proxmox-mcp %s', async (words, least) => {
    const { stdout } = await place.run(words.split(' '));
    const commands = commandsIn(stdout.slice(stdout.indexOf('\n\n')));
    expect(commands.length).toBeGreaterThanOrEqual(least);
    await runAll(
      commands.filter((one) => !SHOWN_ONLY.test(one)),
      `help-${words.length}`,
    );
  });

  test('within the lines of README and the documentation', async () => {
    const commands = [...new Set(['README.md', ...PAGES].flatMap((file) => inline(read(file))))];
    expect(commands.length).toBeGreaterThan(8);
    const isRun = (one: string) => !SHOWN_ONLY.test(one) && !/ID|CLIENT|NAME/.test(one);
    // The trail that later ones verify begins with the first call.
    await runAll(['proxmox-mcp call list_vms', ...commands.filter(isRun)], 'inline');
    const coded = WITH_CODE.flatMap((file) => commandsIn(fenced(read(file)))).filter((one) => SHOWN_ONLY.test(one));
    const shown = [...commands.filter((one) => !isRun(one)), ...coded].filter((one) => !/[<…]/.test(one));
    const named = shown.map((one) => {
      const words = one.replace(/^npx /, '').split(' ').slice(1);
      return words.slice(0, words.findIndex((word) => /^(-|[A-Z]|')/.test(word)) >>> 0).join(' ');
    });
    // Many lines are of one command, whose help is the same each time.
    for (const command of new Set(named))
      expect(await place.run([...command.split(' ').filter(Boolean), '--help']), command).toMatchObject({ code: 0, stderr: '' });
  }, 300_000);
});
