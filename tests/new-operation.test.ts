import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

// A copy of the project gets one more operation: its file and its two lines in the list. Everything else that knows all operations has to follow.

const ROOT = join(import.meta.dirname, '..');
const OPERATION = `
import * as z from 'zod';
import type { Plan } from '../../core/plan.ts';
import { guestPath } from '../../proxmox/guests.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS } from './lib/api.ts';
import { outcomeOf, placeOf, statusNow } from './lib/outcome.ts';
import { changed, vmid } from './lib/schemas.ts';
import { factsOf, label, readTarget, refuseLocked } from './lib/target.ts';

export const noteVm = defineOperation({
  name: 'note_vm',
  title: 'Write the notes of a VM',
  effect: 'disrupt',
  toolset: 'rare',
  description: 'Replaces the notes of a VM.',
  input: z.strictObject({ vmid, notes: z.string().min(1).max(500) }),
  byName: { vmid: 'name' },
  output: changed,
  reads: GUEST_READS,
  sends: { 'POST /nodes/{node}/qemu/{vmid}/config': ['description', 'digest'] },
  example: { vmid: 105, notes: 'a note' },
  async plan(ctx, args): Promise<Plan> {
    const target = await readTarget(ctx.api, args.vmid);
    refuseLocked(target);
    const { at, identity, digest } = target.guest;
    const written = { kind: 'config', type: at.type, vmid: at.vmid, node: at.node, has: { description: args.notes } } as const;
    return {
      operation: 'note_vm',
      summary: 'Write the notes of ' + label(target.guest),
      effect: 'disrupt',
      target: identity,
      node: at.node,
      facts: factsOf(target),
      steps: [
        {
          kind: 'request',
          id: 'notes',
          method: 'POST',
          path: guestPath(at) + '/config',
          params: { description: args.notes, digest },
          purpose: 'write the notes of ' + label(target.guest),
          task: { type: 'qmconfig', id: String(at.vmid), node: at.node, timeoutSeconds: 60 },
          proof: written,
        },
      ],
      expected: [written],
      choices: [],
      warnings: [],
      undo: 'note_vm with the former notes',
    };
  },
  async report(api, run) {
    const { name, ...at } = placeOf(run);
    return { vmid: at.vmid, name, node: at.node, status: await statusNow(api, at, run), ...outcomeOf(run) };
  },
});
`;

/** Files that hold for every operation, and in each a rule whose name tells the operation. */
const SET_WIDE = [
  'tests/operations/rules.test.ts',
  'tests/operations/stated.test.ts',
  'tests/operations/roles.test.ts',
  'tests/mcp/tools.test.ts',
];
/** Rules over all operations at once. */
const RULES =
  'note_vm|the table of|SKILL.md names|an example for each|no tool that is gone|has a type|short description|sum of their rights';

let copy: string;
let report: { testResults: { name: string; assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[] };
const run = (...args: string[]) => {
  const env = { ...process.env, CI: '', HOME: copy, XDG_STATE_HOME: copy, PROXMOX_TOOLSETS: 'all' };
  return promisify(execFile)(process.execPath, args, { cwd: copy, env, maxBuffer: 2 ** 26 });
};

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), 'new-operation-'));
  for (const name of ['src', 'scripts', 'docs', 'tests', 'README.md', 'package.json', 'tsconfig.json', 'vitest.config.ts', '.env.example'])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter: (from) => !from.includes('/tests/recordings') });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, 'src/operations/vm/note-vm.ts'), OPERATION);
  const list = join(copy, 'src/operations/index.ts');
  const text = readFileSync(list, 'utf8');
  writeFileSync(list, `import { noteVm } from './vm/note-vm.ts';\n${text.replace('  deleteVm,\n', '  deleteVm,\n  noteVm,\n')}`);
  await run('scripts/build.mjs');
  await run('dist/docs.js', '--write');
  const outcome = join(copy, 'outcome.json');
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--maxWorkers=1', '--reporter=json', `--outputFile=${outcome}`];
  await run(...vitest, ...SET_WIDE, '-t', RULES).catch(() => undefined);
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
  ]);
});
