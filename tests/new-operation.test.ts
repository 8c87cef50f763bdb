import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

// A copy of the project gets one more operation by `npm run new-operation`: its file, its test and its two lines in the list. Everything else
// that knows all operations has to follow.

const ROOT = join(import.meta.dirname, '..');
/** Files that hold for every operation, and in each a rule whose name tells the operation. */
const SET_WIDE = [
  'tests/operations/rules.test.ts',
  'tests/operations/stated.test.ts',
  'tests/operations/roles.test.ts',
  'tests/mcp/tools.test.ts',
  'tests/operations/vm/note-vm.test.ts',
];
/** Rules over all operations at once. */
const RULES =
  'note_vm|the table of|SKILL.md names|an example for each|no tool that is gone|has a type|short description|sum of their rights';

let copy: string;
let report: { testResults: { name: string; assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[] };
const run = (...args: string[]) => {
  const { PATH = '', TMPDIR = tmpdir() } = process.env;
  const env = { PATH, TMPDIR, HOME: copy, XDG_STATE_HOME: copy, PROXMOX_TOOLSETS: 'all' };
  return promisify(execFile)(process.execPath, args, { cwd: copy, env, maxBuffer: 2 ** 26 });
};

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), 'new-operation-'));
  for (const name of ['src', 'scripts', 'docs', 'tests', 'README.md', 'package.json', 'package-lock.json', 'tsconfig.json', '.env.example'])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter: (from) => !from.includes('/tests/recordings') });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  await run('scripts/new-operation/index.mjs', 'vm/note-vm');
  const outcome = join(copy, 'outcome.json');
  // As the project's own, without the build, which is done, and with one project, for which vitest starts one server.
  const test = { pool: 'forks', isolate: false, maxWorkers: 1, testTimeout: 120_000, include: SET_WIDE };
  writeFileSync(join(copy, 'vitest.config.mjs'), `export default ${JSON.stringify({ test })}`);
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', `--outputFile=${outcome}`];
  await run(...vitest, '-t', RULES).catch(() => undefined);
  report = JSON.parse(readFileSync(outcome, 'utf8'));
}, 300_000);
afterAll(() => rmSync(copy, { recursive: true, force: true }));

it.each(SET_WIDE)('%s covers it and finds nothing wrong', (file) => {
  const results = report.testResults.find(({ name }) => relative(copy, name) === file || name.endsWith(`/${file}`))?.assertionResults ?? [];
  const about = results.filter(({ fullName, status }) => fullName.includes('note_vm') && status === 'passed');
  expect(about.length).toBeGreaterThan(0);
  const failed = results.filter(({ status }) => status === 'failed');
  expect(failed.map(({ fullName, failureMessages }) => [fullName, failureMessages[0]])).toEqual([]);
});

it('passes the compiler', { timeout: 300_000 }, async () => {
  writeFileSync(join(copy, 'tsconfig.operations.json'), '{"extends":"./tsconfig.json","include":["src/operations"]}');
  const { stdout } = await run('node_modules/typescript/bin/tsc', '--singleThreaded', '-p', 'tsconfig.operations.json').catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe('');
});

it('is a command, with a plan', async () => {
  const { stdout } = await run('dist/cli.js', 'call', 'note_vm', '--args', '{"vmid":105,"notes":"x"}', '--dry-run', '--demo');
  expect(JSON.parse(stdout)).toMatchObject({ plan: { summary: 'Write the notes of dev1 (105)' } });
});

it('is in every table of the documentation, with its rights', () => {
  for (const file of ['README.md', 'docs/SKILL.md', 'docs/tools.md', 'docs/rights.md'])
    expect(readFileSync(join(copy, file), 'utf8'), file).toContain('`note_vm`');
  const rights = readFileSync(join(copy, 'docs/rights.md'), 'utf8').split('\n');
  expect(rights).toContain('| `note_vm` | guests: `VM.Audit`, `VM.Config.Options` | guests: `Pool.Audit` |');
});

it('touched its own file and the list; all else is generated', () => {
  const same = (name: string) => {
    try {
      return readFileSync(join(ROOT, name)).equals(readFileSync(join(copy, name)));
    } catch {
      return false;
    }
  };
  const files = ['src', 'scripts', 'docs', 'tests', 'README.md', 'package.json'].flatMap((name) =>
    statSync(join(copy, name)).isDirectory()
      ? readdirSync(join(copy, name), { recursive: true, encoding: 'utf8' }).map((inner) => join(name, inner))
      : [name],
  );
  const changed = files.filter((name) => statSync(join(copy, name)).isFile() && !same(name)).sort();
  expect(changed).toEqual([
    'README.md',
    'docs/SKILL.md',
    'docs/rights.md',
    'docs/tools.md',
    'src/operations/index.ts',
    'src/operations/vm/note-vm.ts',
    'tests/mcp/__snapshots__/note_vm.json',
    'tests/operations/vm/note-vm.test.ts',
  ]);
});
