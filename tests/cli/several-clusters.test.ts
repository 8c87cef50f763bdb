import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/core/text/json.ts';
import { binary } from '../helpers/binary.ts';
import { asRoot } from '../helpers/rights.ts';
import { startCluster, type TestCluster } from '../helpers/simulator.ts';
import { home } from './run.ts';

let near: TestCluster;
let far: TestCluster;
const place = home();
beforeAll(async () => {
  [near, far] = await Promise.all([startCluster(), startCluster({ certificate: 'second' })]);
});
afterAll(async () => {
  await near.close();
  await far.close();
  place.remove();
});

const entry = ({ simulator }: TestCluster, more: object = {}) => ({
  PROXMOX_HOST: `127.0.0.1:${simulator.port}`,
  PROXMOX_TOKEN_ID: simulator.token.id,
  PROXMOX_TOKEN_SECRET: simulator.token.secret,
  PROXMOX_STORAGE: 'local-lvm',
  ...more,
});
function write(content: object, name = 'clusters.json'): Record<string, string> {
  const file = join(place.folder, name);
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
  return { PROXMOX_CLUSTERS_FILE: file, PROXMOX_DATA_DIR: join(place.folder, `data-${name}`), PROXMOX_APPROVAL: 'relay' };
}

describe('a file of two clusters', () => {
  test('is served: reads cover both, and each first use is pinned under its name', async () => {
    const env = write({ home: entry(near), work: entry(far) });
    const { json, code, stderr } = await place.run(['call', 'list_vms'], env);
    expect(code, stderr).toBe(0);
    const { vms, notices } = json as { vms: JsonObject[]; notices: string[] };
    expect(new Set(vms.map(({ cluster }) => cluster))).toEqual(new Set(['home', 'work']));
    expect(notices.map((notice) => notice.slice(0, 16)).sort()).toEqual(['home: First use ', 'work: First use ']);
    const pins = JSON.parse(readFileSync(join(env.PROXMOX_DATA_DIR ?? '', 'trust.json'), 'utf8'));
    expect(Object.keys(pins).sort()).toEqual(['home', 'work']);
    expect(await place.run(['call', 'start_vm', '--args', '{"vmid":104}'], env)).toMatchObject({
      code: 2,
      json: { error: { code: 'invalid_arguments', message: 'start_vm: Name the cluster: home, work.' } },
    });
  });

  test('keeps an approval apart when the entries change places', async () => {
    const env = write({ home: entry(near), work: entry(far) }, 'swap.json');
    const asked = await place.run(['call', 'stop_vm', '--args', '{"cluster":"home","vmid":100}'], env);
    const { approval_id: id } = asked.json as { approval_id: string };
    const before = [near.mutations().length, far.mutations().length];
    write({ home: entry(far), work: entry(near) }, 'swap.json');
    // The pins are by name, so that no request reaches the other cluster until a human accepts it.
    const refused = await place.run(['call', 'approve', '--args', JSON.stringify({ approval_id: id })], env);
    expect(refused.json).toMatchObject({ error: { code: 'certificate_changed' } });
    const fingerprint = ['--fingerprint', far.simulator.fingerprint];
    expect(await place.run(['trust', ...fingerprint], env)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--cluster is missing.'),
    });
    expect(await place.run(['trust', '--cluster', 'home', ...fingerprint], env)).toMatchObject({
      code: 0,
      json: { cluster: 'home', pinned: { kind: 'ca' } },
    });
    const still = await place.run(['call', 'approve', '--args', JSON.stringify({ approval_id: id })], env);
    expect(still.json).toMatchObject({ error: { code: 'approval_mismatch' } });
    expect([near.mutations().length, far.mutations().length]).toEqual(before);
  });

  test('is diagnosed cluster by cluster: a dead one fails, and the other is checked', async () => {
    const env = write({ home: entry(near), work: entry(far, { PROXMOX_HOST: '127.0.0.1:1' }) }, 'dead.json');
    const { json } = await place.run(['doctor'], env);
    const { ok, can, checks, settings } = json as { ok: boolean; can: string[]; checks: JsonObject[]; settings: JsonObject[] };
    expect(ok).toBe(false);
    expect(can).toContain('stop_vm');
    expect(checks.filter(({ state }) => state === 'fail').map(({ name }) => name)).toEqual(['work: certificate of 127.0.0.1:1']);
    expect(checks).toContainEqual(expect.objectContaining({ name: 'home: connection', state: 'ok' }));
    expect(settings.find(({ variable }) => variable === 'work: PROXMOX_TOKEN_SECRET')).toMatchObject({ value: '(set)' });
    expect(settings.map(({ variable }) => variable)).not.toContain('PROXMOX_MAX_VMS');
    expect(JSON.stringify(json)).not.toContain(near.simulator.token.secret);
  });

  test('is diagnosed: two names of one cluster, whose limits do not hold for each other', async () => {
    const of = async (env: Record<string, string>) =>
      ((await place.run(['doctor'], env)).json as { checks: JsonObject[] }).checks.filter(({ name }) => name === 'clusters');
    const twins = { home: entry(near), work: entry(far), twin: entry(near, { PROXMOX_HOST: `localhost:${near.simulator.port}` }) };
    expect(await of(write(twins, 'twins.json'))).toEqual([
      expect.objectContaining({ state: 'warn', text: expect.stringMatching(/^home and twin are one cluster\./) }),
    ]);
    expect(await of(write({ home: entry(near), work: entry(far) }, 'two.json'))).toEqual([]);
  });

  test('lists the approvals of all, with what is silent named beside', async () => {
    const env = write({ home: entry(near), work: entry(far) }, 'list.json');
    for (const cluster of ['home', 'work']) await place.run(['call', 'stop_vm', '--args', JSON.stringify({ cluster, vmid: 100 })], env);
    const { json } = await place.run(['approvals', 'list', '-o', 'json'], env);
    expect((json as { approvals: JsonObject[] }).approvals.map(({ cluster, status }) => [cluster, status])).toEqual([
      ['home', 'pending'],
      ['work', 'pending'],
    ]);
  });

  test('names the cluster of an approval that it follows as in the list', async () => {
    const env = write({ home: entry(near), work: entry(far) }, 'watch.json');
    const asked = await place.run(['call', 'stop_vm', '--args', '{"cluster":"home","vmid":100}'], env);
    const { approval_id: id } = asked.json as { approval_id: string };
    const child = place.start(['approvals', 'watch', '-o', 'json'], env);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    child.kill('SIGINT');
    await once(child, 'close');
    expect(JSON.parse(String(line))).toMatchObject({ cluster: 'home', approval_id: id });
  });

  // Neither was reached before, so the records that belong to `work` are not known.
  test.each([
    ['approvals list', 'approvals'],
    ['runs list', 'runs'],
    ['approvals lease', 'leases'],
  ])('%s says which cluster is not in it, also with --quiet', async (words, member) => {
    const own = home();
    const env = write({ home: entry(near), work: entry(far, { PROXMOX_HOST: '127.0.0.1:1' }) }, 'silent.json');
    const list = (...more: string[]) => own.run([...words.split(' '), ...more], env);
    const missing = [{ cluster: 'work', message: expect.stringContaining('127.0.0.1:1 cannot be reached') }];
    expect((await list('-o', 'json')).json).toMatchObject({ [member]: [], missing });
    const { stdout, stderr } = await list('-q', '-o', 'table');
    expect(stderr).toContain('This list lacks the cluster work: 127.0.0.1:1 cannot be reached');
    expect(stdout).not.toContain('The outcome of every run is known.');
    own.remove();
  });

  test('refuses a list of a state that does not exist, and of clusters of which none answers', async () => {
    const env = write({ home: entry(near), work: entry(far) }, 'state.json');
    expect((await place.run(['approvals', 'list', '--status', 'open'], env)).code).toBe(2);
    const own = home();
    const dead = { PROXMOX_HOST: '127.0.0.1:1' };
    const silent = write({ home: entry(near, dead), work: entry(far, dead) }, 'all-silent.json');
    const ran = await own.run(['approvals', 'list', '-o', 'json'], silent);
    expect(ran).toMatchObject({ code: 1, json: { error: { code: 'unreachable' } } });
    own.remove();
  });

  test('limits access tokens to clusters that exist', async () => {
    const env = write({ home: entry(near), work: entry(far) }, 'tokens.json');
    const add = (scope: string) => place.run(['tokens', 'add', '--name', 'ci', '--role', 'operator', '--scope', scope, '-o', 'json'], env);
    expect(await add('cluster=wrok')).toMatchObject({ code: 2, json: { error: { message: '--scope: no cluster is called wrok.' } } });
    expect((await add('cluster=work,pool=agents')).json).toMatchObject({ scope: { clusters: ['work'], pools: ['agents'] } });
  });
});

test('setup adds a cluster to the file, and the file to the settings', async () => {
  const own = home();
  const { tokenid } = { tokenid: 'several@pve!one' };
  await asRoot(near, 'POST', '/access/users', { userid: 'several@pve' });
  const made = (await asRoot(near, 'POST', '/access/users/several@pve/token/one', { privsep: '0' })) as { value: string };
  await asRoot(near, 'PUT', '/access/acl', { path: '/', users: 'several@pve', roles: 'Administrator' });
  const secret = join(own.folder, 'secret');
  writeFileSync(secret, made.value, { mode: 0o600 });
  const setup = (...args: string[]) =>
    own.run([
      'setup',
      ...['--host', `127.0.0.1:${near.simulator.port}`, '--fingerprint', near.simulator.fingerprint],
      ...['--token-id', tokenid, '--token-file', secret, ...args],
    ]);
  const first = await setup('--cluster', 'home');
  expect(first.json, first.stderr).toMatchObject({ ok: true, first_plan: { dry_run: true } });
  const folder = join(own.folder, '.config/proxmox-mcp');
  const file = join(folder, 'clusters.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(folder, 'env'), 'utf8')).toContain(`PROXMOX_CLUSTERS_FILE=${file}\n`);
  expect((await setup('--cluster', 'work')).json).toMatchObject({ ok: true, first_plan: { dry_run: true } });
  expect(Object.keys(JSON.parse(readFileSync(file, 'utf8')))).toEqual(['home', 'work']);
  expect(await setup('--cluster', 'work')).toMatchObject({ code: 2, stderr: expect.stringContaining('has a cluster called work') });
  expect(existsSync(join(own.folder, '.local/state/proxmox-mcp/trust.json'))).toBe(true);
  own.remove();
});

test('the story of two clusters runs to its end', { timeout: 120_000 }, async () => {
  const { code, stdout, stderr } = await place.runBinary(['demo'], { PROXMOX_DEMO_CLUSTERS: '2' });
  expect([code, stderr]).toEqual([0, '']);
  for (const told of ['ambiguous', 'Name the cluster: home, work.', 'work: Shut down web1', 'approval_mismatch', 'none changed'])
    expect(stdout).toContain(told);
});

test('the demo serves two for other processes, which a file of clusters reaches', async () => {
  const env = { ...process.env, ...place.env, PROXMOX_DEMO_CLUSTERS: '2', PROXMOX_DATA_DIR: join(place.folder, 'serve') };
  const server = spawn(process.execPath, [binary(), 'demo', '--serve', '0'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
    const { clusters } = JSON.parse(line) as {
      clusters: Record<string, { url: string; token: { id: string; secret: string }; fingerprint: string }>;
    };
    expect(Object.keys(clusters)).toEqual(['home', 'work']);
    expect(new Set(Object.values(clusters).map(({ fingerprint }) => fingerprint)).size).toBe(2);
    const entries = Object.entries(clusters).map(([name, { url, token, fingerprint }]) => [
      name,
      { PROXMOX_HOST: url, PROXMOX_TOKEN_ID: token.id, PROXMOX_TOKEN_SECRET: token.secret, PROXMOX_FINGERPRINT: fingerprint },
    ]);
    const { json } = await place.run(['call', 'list_vms', '--args', '{"name":"web1"}'], write(Object.fromEntries(entries), 'served.json'));
    expect((json as { vms: JsonObject[] }).vms.map(({ cluster }) => cluster)).toEqual(['home', 'work']);
  } finally {
    server.kill();
    await once(server, 'exit');
  }
});

test('the demo runs two embedded clusters, each with a state and an authority of its own', async () => {
  const env = { PROXMOX_DEMO_CLUSTERS: '2', PROXMOX_DATA_DIR: join(place.folder, 'demo') };
  const make = (cluster: string) =>
    place.run(
      ['call', 'create_vm', '--demo', '--args', JSON.stringify({ cluster, name: 'twin', vmid: 880, disk_gb: 1, storage: 'local-lvm' })],
      env,
    );
  for (const cluster of ['home', 'work']) expect((await make(cluster)).json).toMatchObject({ created: true, vmid: 880, simulator: true });
  const { json } = await place.run(['call', 'list_vms', '--demo', '--args', '{"name":"twin"}'], env);
  expect((json as { vms: JsonObject[] }).vms.map(({ cluster }) => cluster)).toEqual(['home', 'work']);
});
