import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asRoot, pveum } from '../../helpers/rights.ts';
import { startCluster, type TestCluster } from '../../helpers/simulator.ts';
import { home } from '../run.ts';

let cluster: TestCluster;
const place = home();
beforeAll(async () => {
  cluster = await startCluster();
  // The demo has tokens with these roles already.
  for (const { roleid } of (await asRoot(cluster, 'GET', '/access/roles')) as { roleid: string }[])
    if (roleid.startsWith('Mcp')) await asRoot(cluster, 'DELETE', `/access/roles/${roleid}`);
});
afterAll(async () => {
  await cluster.close();
  place.remove();
});

const usual = join(place.folder, '.config/proxmox-mcp/env');
const secretFile = join(place.folder, 'secret');
const where = () => ['--host', `127.0.0.1:${cluster.simulator.port}`, '--fingerprint', cluster.simulator.fingerprint];

/** Runs the printed lines as root would; returns the secret that the line of the token prints. */
async function runLines(lines: readonly string[]): Promise<string> {
  let secret = '';
  for (const line of lines) {
    const [, user, token] = /^pveum user token add (\S+) (\S+) --privsep 1$/.exec(line) ?? [];
    if (user === undefined) await pveum(cluster, line);
    else secret = ((await asRoot(cluster, 'POST', `/access/users/${user}/token/${token}`, { privsep: '1' })) as { value: string }).value;
  }
  return secret;
}

test('a script gets the lines, and with the secret a checked installation: they grant all that the chosen tools need', async () => {
  const printed = await place.run(['setup', ...where(), '--pool', 'mine', '--token-id', 'script@pve!one', '--templates', '104']);
  expect(printed.code, printed.stderr).toBe(0);
  const { pveum: lines } = printed.json as { pveum: string[] };
  expect(lines).toContain('pveum user token add script@pve one --privsep 1');
  expect(lines.filter((line) => line.includes('acl modify')).map((line) => line.split(/\s+/)[3])).toEqual([
    '/pool/mine',
    '/vms/104',
    '/storage/local-lvm',
    '/storage/local',
    '/sdn/zones/localnetwork/vmbr0',
    '/nodes/pve',
  ]);
  expect(existsSync(usual)).toBe(false);

  writeFileSync(secretFile, `${await runLines(lines)}\n`, { mode: 0o600 });
  const rest = ['--pool', 'mine', '--token-id', 'script@pve!one', '--token-file', secretFile, '--client', 'cursor', '--write'];
  const done = await place.run(['setup', ...where(), ...rest]);
  expect(done.code, done.stdout).toBe(0);
  const cursor = join(place.folder, '.cursor/mcp.json');
  expect(done.json).toMatchObject({
    ok: true,
    file: usual,
    pinned: expect.stringContaining("the cluster's authority"),
    can: expect.arrayContaining(['create_vm', 'delete_vm', 'backup_vm']),
    client: { name: 'cursor', file: cursor },
    first_plan: { dry_run: true, plan: { summary: expect.stringContaining('Create first-vm') } },
  });
  expect(JSON.parse(readFileSync(cursor, 'utf8')).mcpServers.proxmox.args.at(-1)).toBe('stdio');
  expect(statSync(usual).mode & 0o777).toBe(0o600);
  expect(readFileSync(usual, 'utf8')).toContain('\nPROXMOX_POOL=mine\nPROXMOX_NODE=pve\nPROXMOX_STORAGE=local-lvm\n');
  expect(done.stdout + done.stderr).not.toContain(readFileSync(secretFile, 'utf8').trim());
  // A next command needs nothing but the file.
  expect((await place.run(['call', 'list_vms'])).json).toMatchObject({ total: expect.any(Number) });
  expect(cluster.mutations().filter(({ path }) => path.includes('/qemu'))).toEqual([]);
});

test('roles hold what the chosen groups of tools need, no more', async () => {
  const role = async (toolsets: string, more: string[] = []) => {
    const { pveum: lines } = (await place.run(['setup', ...where(), '--force', '--toolsets', toolsets, ...more])).json as {
      pveum: string[];
    };
    return lines.find((line) => line.includes(' McpGuest ')) ?? '';
  };
  expect(await role('everyday')).not.toContain('VM.GuestAgent.Unrestricted');
  expect(await role('everyday,agent')).toContain('VM.GuestAgent.Unrestricted');
  expect(await role('everyday', ['--pve', '8'])).toMatch(/VM\.Monitor/);
});

test('a file of settings that exists is not replaced unasked', async () => {
  const own = home();
  const file = join(own.folder, 'my.env');
  writeFileSync(file, 'PROXMOX_POOL=old\n', { mode: 0o600 });
  const named = ['setup', ...where(), '--settings', file];
  expect(await own.run([...named, '--token-file', file])).toMatchObject({ code: 2, stderr: expect.stringContaining('--force') });
  // The lines for root are for reading, also where everything is set up.
  expect(await own.run([...named, '--toolsets', 'rare'])).toMatchObject({ code: 0, json: { pveum: expect.any(Array) } });
  expect(readFileSync(file, 'utf8')).toBe('PROXMOX_POOL=old\n');
  own.remove();
});

test.each([
  ['broken', 'PROXMOX_TOKEN_ID=mcp@pve\nPROXMOX_MAX_CPU=many\n'],
  ['for another data folder', 'PROXMOX_DATA_DIR=~/elsewhere\nPROXMOX_FINGERPRINT=\n'],
])('--force replaces a file of settings that is %s, and nothing of it counts', async (_, text) => {
  const own = home();
  const file = join(own.folder, '.config/proxmox-mcp/env');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
  const { id, secret } = cluster.simulator.token;
  writeFileSync(secretFile, secret);
  const ran = await own.run(['setup', ...where(), '--token-id', id, '--token-file', secretFile, '--force']);
  expect(ran, ran.stderr).toMatchObject({ code: 0, json: { ok: true } });
  expect(existsSync(join(own.folder, '.local/state/proxmox-mcp/trust.json'))).toBe(true);
  expect(existsSync(join(own.folder, 'elsewhere'))).toBe(false);
  own.remove();
});

test('--force replaces the file that PROXMOX_ENV_FILE names, also by another path', async () => {
  const own = home();
  const file = join(own.folder, 'my.env');
  writeFileSync(file, 'PROXMOX_MAX_CPU=many\n', { mode: 0o600 });
  const { id, secret } = cluster.simulator.token;
  writeFileSync(secretFile, secret);
  const args = ['setup', ...where(), '--settings', file, '--token-id', id, '--token-file', secretFile, '--force'];
  const ran = await own.run(args, { PROXMOX_ENV_FILE: relative(process.cwd(), file) });
  expect(ran, ran.stderr).toMatchObject({ code: 0, json: { ok: true } });
  expect(readFileSync(file, 'utf8')).toContain('PROXMOX_TOKEN_ID=');
  own.remove();
});

test('a cluster that joins others is pinned in the data folder that the settings name', async () => {
  const own = home();
  const file = join(own.folder, 'my.env');
  writeFileSync(file, 'PROXMOX_DATA_DIR=~/elsewhere\n', { mode: 0o600 });
  const { id, secret } = cluster.simulator.token;
  writeFileSync(secretFile, secret);
  const ran = await own.run(['setup', ...where(), '--cluster', 'home', '--settings', file, '--token-id', id, '--token-file', secretFile]);
  expect(ran, ran.stderr).toMatchObject({ code: 0, json: { ok: true } });
  expect(existsSync(join(own.folder, 'elsewhere/trust.json'))).toBe(true);
  // Doctor would pin on first use what setup had pinned elsewhere.
  expect(existsSync(join(own.folder, '.local'))).toBe(false);
  own.remove();
});

test.each([
  ['--pool', ',', '--pool must name at least one'],
  ['--pool', 'a,b', '--pool must name one pool'],
  ['--nodes', '', '--nodes must name at least one'],
  ['--templates', 'debian', 'debian is not a VMID'],
  ['--pve', '7', 'must be a whole number from 8 to 9'],
  ['--host', 'a b', 'PROXMOX_HOST (from this command)'],
])('no line for root is printed with %s %j: in a path of an ACL it would mean something else', async (option, value, words) => {
  expect(await place.run(['setup', ...where(), option, value])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining(words),
  });
});

test('nothing is written with another certificate, a wrong secret, a name that is a command, or a client that is not known', async () => {
  const own = home();
  writeFileSync(secretFile, '00000000-0000-0000-0000-000000000000');
  const emptyFile = join(place.folder, 'empty');
  writeFileSync(emptyFile, '\n');
  for (const [args, code, words] of [
    [['--host', `127.0.0.1:${cluster.simulator.port}`, '--fingerprint', 'AA'.repeat(32)], 1, 'another certificate'],
    [['--host', `127.0.0.1:${cluster.simulator.port}`], 1, 'repeat this command with: --fingerprint'],
    [[...where(), '--token-file', secretFile], 1, 'rejects the token'],
    [[...where(), '--token-file', emptyFile], 2, 'No secret was given. Nothing was changed.'],
    [[...where(), '--pool', 'a;reboot'], 2, 'not a name'],
    [[...where(), '--toolsets', 'everyday,nonsense'], 2, 'not a group of tools'],
    [[...where(), '--client', 'cursr'], 2, 'Did you mean cursor?'],
    [[], 2, '--host is missing'],
  ] as const) {
    const ran = await own.run(['setup', ...args]);
    expect(ran, args.join(' ')).toMatchObject({ code, stderr: expect.stringContaining(words) });
  }
  for (const trace of ['.config', '.local/state/proxmox-mcp/trust.json']) expect(existsSync(join(own.folder, trace)), trace).toBe(false);
  own.remove();
});

test('a person answers questions, sees the fingerprint and the lines, and ends with what works', async () => {
  const own = home();
  const { id, secret } = cluster.simulator.token;
  const shown = await own.runBinaryOnTerminal(
    ['setup'],
    [
      { when: /Address of a node/, answer: `127.0.0.1:${cluster.simulator.port}` },
      { when: /Type yes to pin it/, answer: 'yes' },
      { when: /Groups of tools/, answer: '' },
      { when: /API token to create/, answer: id },
      { when: /Pool of its guests/, answer: '' },
      { when: /Nodes \[pve\]/, answer: '' },
      { when: /Storages/, answer: '' },
      { when: /Bridges/, answer: '' },
      { when: /VMIDs of templates/, answer: '' },
      // A slip in an answer is asked again: those before it are not lost.
      { when: /Secret of the token/, answer: id },
      { when: /press Enter to stop/, answer: secret },
      { when: /MCP client \(/, answer: 'claude' },
      { when: /Did you mean claude-code or claude-desktop\? Try again/, answer: 'cursor' },
      { when: /Type yes to write it into/, answer: '' },
    ],
  );
  expect(shown.code, shown.stdout).toBe(0);
  expect(shown.stdout).toContain(cluster.simulator.fingerprint);
  expect(shown.stdout).toContain('pveum acl modify /pool/agents');
  expect(shown.stdout).toContain('content type Import');
  expect(shown.stdout).toContain('"mcpServers"');
  expect(shown.stdout).toContain('You can now: list_vms');
  expect(shown.stdout).toContain('audit: 1 record, none changed');
  expect(shown.stdout).not.toContain('[]:');
  expect(shown.stdout).toContain('Create first-vm');
  expect(statSync(join(own.folder, '.config/proxmox-mcp/env')).mode & 0o777).toBe(0o600);
  own.remove();
});
