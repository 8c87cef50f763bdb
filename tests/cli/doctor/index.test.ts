import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { operations } from '../../../src/operations/index.ts';
import { SEED_TOKENS } from '../../../src/simulator/seed/tokens.ts';
import { binary } from '../../helpers/binary.ts';
import { home } from '../run.ts';

interface Diagnosis {
  ok: boolean;
  can: string[];
  missing?: { name: string; state: string; text: string };
  checks: { name: string; state: string; text: string; next?: string }[];
  settings: { variable: string; value: string; source: string }[];
}

const place = home();
/** The embedded cluster in a process of its own, reached as a real one is. */
let cluster: { url: string; token: { id: string; secret: string }; fingerprint: string };
let server: ReturnType<typeof spawn>;

beforeAll(async () => {
  server = spawn(process.execPath, [binary(), 'demo', '--serve', '0'], {
    env: { ...place.env, PROXMOX_DATA_DIR: join(place.folder, 'served') },
  });
  let said = '';
  server.stdout?.on('data', (chunk) => (said += chunk));
  await new Promise((resolve) => server.stderr?.once('data', resolve));
  cluster = JSON.parse(said);
});
afterAll(async () => {
  server.kill();
  await new Promise((resolve) => server.once('close', resolve));
  place.remove();
});

const connection = (more: Record<string, string> = {}) => ({
  PROXMOX_HOST: cluster.url,
  PROXMOX_TOKEN_ID: cluster.token.id,
  PROXMOX_TOKEN_SECRET: cluster.token.secret,
  ...more,
});
async function doctor(env: Record<string, string>, args: string[] = []): Promise<{ code: number | null; found: Diagnosis }> {
  const ran = await place.run(['doctor', ...args], env);
  expect(ran.stdout).not.toContain(cluster.token.secret);
  return { code: ran.code, found: ran.json as Diagnosis };
}
const check = (found: Diagnosis, name: string) => found.checks.find((one) => one.name === name);

test('on the embedded cluster everything works', async () => {
  const { code, found } = await doctor({}, ['--demo']);
  expect(found.checks.filter((one) => one.state === 'fail')).toEqual([]);
  expect(code).toBe(0);
  expect(found.can).toEqual(
    operations.filter(({ effect, toolset }) => effect !== 'control' && toolset === 'everyday').map(({ name }) => name),
  );
});

test('for people it ends with what works', async () => {
  const { stdout, code } = await place.runBinaryOnTerminal(['doctor', '--demo']);
  expect(code).toBe(0);
  expect(stdout).toContain('You can now: list_vms');
  expect(stdout).toContain('stop_vm (asks first)');
});

test('without credentials the missing variables are the first thing to do', async () => {
  const { code, found } = await doctor({});
  expect(code).toBe(1);
  expect(found.missing?.text).toContain('PROXMOX_HOST, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET');
});

test('each limit tells where it comes from', async () => {
  const { found } = await doctor({ PROXMOX_MAX_VMS: '5' }, ['--demo']);
  expect(found.settings).toContainEqual({ variable: 'PROXMOX_MAX_VMS', value: '5', source: 'environment' });
  expect(found.settings).toContainEqual({ variable: 'PROXMOX_MAX_CPU', value: '16', source: 'default' });
  expect(check(found, 'limits')).toMatchObject({
    state: 'warn',
    text: expect.stringContaining('limit 5: nothing can be created'),
    next: expect.stringMatching(/^PROXMOX_MAX_VMS=\d+$/),
  });
});

test('a wrong secret, a closed port and a wrong fingerprint give different findings', async () => {
  expect(
    (await doctor(connection({ PROXMOX_TOKEN_SECRET: 'wrong', PROXMOX_FINGERPRINT: cluster.fingerprint }))).found.missing?.text,
  ).toMatch(/token/i);
  expect((await doctor(connection({ PROXMOX_HOST: '127.0.0.1:1' }))).found.missing?.text).toContain('cannot be reached');
  expect((await doctor(connection({ PROXMOX_FINGERPRINT: 'AA'.repeat(32) }))).found.missing?.text).toContain(
    'does not match PROXMOX_FINGERPRINT',
  );
});

test('a token without rights is shown the lines that grant them', async () => {
  const { found } = await doctor(
    connection({
      PROXMOX_TOKEN_ID: 'agent@pve!noacl',
      PROXMOX_TOKEN_SECRET: SEED_TOKENS.noAcl.secret,
      PROXMOX_FINGERPRINT: cluster.fingerprint,
    }),
  );
  expect(found.can).toEqual([]);
  expect(check(found, 'rights')?.next).toContain("pveum acl modify /vms --users agent@pve --tokens 'agent@pve!noacl' --roles McpVms");
  expect(check(found, 'rights for stop_vm')?.text).toBe('missing: VM.Audit on /vms, VM.PowerMgmt on /vms');
});

test('with a damaged store no change is possible', async () => {
  const dataDir = join(place.folder, 'damaged');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(dataDir, 'store.sqlite'), 'no database. '.repeat(100));
  const { found } = await doctor(connection({ PROXMOX_DATA_DIR: dataDir }));
  expect(found).toMatchObject({
    ok: false,
    can: operations.filter(({ effect, toolset }) => effect === 'read' && toolset === 'everyday').map(({ name }) => name),
    missing: { name: 'store', state: 'fail' },
  });
});

test('a data folder that others can read or its group can write is noted, one that all users can write is refused', async () => {
  const folder = join(place.folder, 'open');
  await doctor({ PROXMOX_DATA_DIR: folder }, ['--demo']);
  for (const [mode, words] of [
    [0o755, 'can look into'],
    [0o770, 'The group of'],
  ] as const) {
    chmodSync(join(folder, 'demo'), mode);
    const { found } = await doctor({ PROXMOX_DATA_DIR: folder }, ['--demo']);
    expect(check(found, 'data folder')).toMatchObject({ state: 'warn', text: expect.stringContaining(words) });
  }
  chmodSync(join(folder, 'demo'), 0o777);
  for (const command of [['doctor'], ['call', 'list_vms'], ['stdio'], ['approvals', 'list'], ['audit', 'verify']]) {
    const refused = await place.run([...command, '--demo'], { PROXMOX_DATA_DIR: folder });
    expect(refused, command.join(' ')).toMatchObject({ code: 2 });
    expect(refused.stdout + refused.stderr).toContain(`Every user of this machine can write into the data folder ${folder}/demo`);
  }
});

test('trust pins what a human compared, and nothing else', async () => {
  const env = connection({ PROXMOX_DATA_DIR: join(place.folder, 'trusting') });
  const asked = await place.run(['trust'], env);
  expect(asked.code).toBe(1);
  expect(asked.stderr).toContain(cluster.fingerprint);
  expect((await place.run(['trust', '--fingerprint', 'AA'.repeat(32)], env)).code).toBe(1);
  const pinned = await place.run(['trust', '--fingerprint', cluster.fingerprint], env);
  expect(pinned).toMatchObject({ code: 0, json: { pinned: { kind: 'ca' } } });
  expect((await place.run(['call', 'list_vms'], env)).code).toBe(0);
  expect((await place.run(['trust'], env)).stderr).toContain('It matches the pin of');
  expect((await place.run(['audit', 'tail'], env)).stdout).toContain('pinned: the cluster');
});

test('trust needs the host alone: without a token, or with a wrong one, it pins the certificate and says why not the authority', async () => {
  for (const [name, token, why] of [
    ['none', { PROXMOX_TOKEN_ID: '', PROXMOX_TOKEN_SECRET: '' }, 'no token is set'],
    ['wrong', { PROXMOX_TOKEN_SECRET: 'wrong' }, 'Proxmox rejects the token'],
  ] as const) {
    const env = connection({ PROXMOX_DATA_DIR: join(place.folder, `trust-${name}`), ...token });
    const pinned = await place.run(['trust', '--fingerprint', cluster.fingerprint], env);
    expect(pinned.json).toMatchObject({
      pinned: { kind: 'leaf', fingerprints: [cluster.fingerprint] },
      only_because: expect.stringContaining(why),
    });
    expect((await place.run(['trust'], env)).stderr).toContain('It matches the pin of');
  }
  const env = connection({ PROXMOX_DATA_DIR: join(place.folder, 'trust-none') });
  expect((await place.run(['call', 'list_vms'], env)).code).toBe(0);
  const host = await place.run(['trust', '-o', 'json'], { PROXMOX_HOST: '' });
  expect(host).toMatchObject({ code: 2, json: { error: { details: { missing: ['PROXMOX_HOST'] } } } });
});

test('the demo has nothing to trust, which is not an error', async () => {
  expect(await place.run(['trust', '--demo'])).toMatchObject({ code: 0, json: { cluster: 'simulator', pinned: false } });
});

test('first use of a loopback address is pinned loudly', async () => {
  const env = connection({ PROXMOX_DATA_DIR: join(place.folder, 'first') });
  const first = await place.run(['call', 'list_vms'], env);
  expect(first.json).toMatchObject({ notices: [expect.stringContaining('First use')] });
  expect(first.stderr).toContain('First use');
  expect((await place.run(['call', 'list_vms'], env)).json).not.toHaveProperty('notices');
  expect((await place.run(['audit', 'tail'], env)).stdout).toContain('First use');
});
