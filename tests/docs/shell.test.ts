import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asRoot, pveum } from '../helpers/rights.ts';
import { startCluster, type TestCluster } from '../helpers/simulator.ts';

// The code for shells in the documentation, beside the product's own commands, which tests/cli/examples.test.ts runs.

const root = join(import.meta.dirname, '../..');
const files = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const blocks = (file: string) => [...read(file).matchAll(/^```(?:sh|bash)\n(.*?)^```/gms)].map(([, block = '']) => block);
const linesOf = (file: string, name: string) =>
  (new RegExp(`<!-- ${name} -->\n+\`\`\`sh\n(.*?)\`\`\`\n+<!-- /${name} -->`, 's').exec(read(file))?.[1] ?? '').trim().split('\n');

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.close());

test('the code for shells is valid', () => {
  const all = files.flatMap((file) => blocks(file).map((block) => ({ file, block })));
  expect(all.length).toBeGreaterThan(20);
  for (const { file, block } of all)
    expect(() => execFileSync('bash', ['-n'], { input: block, stdio: 'pipe' }), `${file}:\n${block}`).not.toThrow();
});

test('each script of npm that the documentation names exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const file of files)
    for (const [, name = ''] of read(file).matchAll(/npm run ([\w:-]*\w)/g))
      expect(Object.keys(scripts), `${file}: ${name}`).toContain(name);
});

const KINDS = { users: 'userid', roles: 'roleid' } as const;
async function names(kind: keyof typeof KINDS): Promise<string[]> {
  return ((await asRoot(cluster, 'GET', `/access/${kind}`)) as Record<string, string>[]).map((row) => row[KINDS[kind]] ?? '');
}

test('the lines of pveum create the token with its roles, and those of the uninstallation leave nothing of it', async () => {
  // The embedded cluster has such a token and such roles already.
  const renamed = (line: string) =>
    line
      .replace(/ +#.*/, '')
      .replaceAll('Mcp', 'Doc')
      .replaceAll('mcp@', 'doc@')
      .replace(/\bagents\b/, 'doc');
  const create = linesOf('docs/how-to/token.md', 'token').map(renamed);
  const remove = linesOf('docs/how-to/uninstall.md', 'undo').map(renamed);
  expect(linesOf('README.md', 'token')).toEqual(linesOf('docs/how-to/token.md', 'token'));
  const before = { users: await names('users'), roles: await names('roles') };
  for (const line of create) await pveum(cluster, line);
  expect(await names('users')).toContain('doc@pve');
  expect((await names('roles')).filter((name) => name.startsWith('Doc'))).toHaveLength(5);
  const acl = async () =>
    ((await asRoot(cluster, 'GET', '/access/acl')) as { ugid: string }[]).filter(({ ugid }) => ugid.startsWith('doc@pve'));
  expect((await acl()).length).toBe(12);

  for (const line of remove) await pveum(cluster, line);
  expect({ users: await names('users'), roles: await names('roles') }).toEqual(before);
  expect(await acl()).toEqual([]);
});
