import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { operations } from '../../../src/operations/index.ts';
import { openStore } from '../../../src/store/index.ts';
import { asRoot, pveum, roleOf, tokenWith } from '../../helpers/rights.ts';
import { startCluster, type TestCluster } from '../../helpers/simulator.ts';
import { home } from '../run.ts';

interface Check {
  name: string;
  state: string;
  text: string;
  next?: string;
}

const place = home();
afterAll(() => place.remove());
let cluster: TestCluster;
let dataDir: string;
let count = 0;
beforeEach(async () => {
  cluster = await startCluster();
  dataDir = join(place.folder, `data-${count++}`);
  mkdirSync(dataDir, { mode: 0o700 });
});
afterEach(() => cluster.close());

// Rights for tools that are not offered are not asked for.
const ALL = operations.filter(({ effect, toolset }) => effect !== 'control' && toolset === 'everyday').length;
const GUEST = [
  ...['VM.Allocate', 'VM.Audit', 'VM.Backup', 'VM.Clone', 'VM.Config.CPU', 'VM.Config.Disk', 'VM.Config.HWType', 'VM.Config.Memory'],
  ...['VM.Config.Network', 'VM.Config.Options', 'VM.GuestAgent.Audit', 'VM.Migrate', 'VM.PowerMgmt', 'VM.Snapshot', 'Pool.Audit'],
];
const rights = (guest: string[]) => ({
  '/pool/agents': guest,
  '/vms/9000': ['VM.Audit', 'VM.Clone'],
  '/storage/local-lvm': ['Datastore.AllocateSpace', 'Datastore.AllocateTemplate', 'Datastore.Audit'],
  '/sdn/zones/localnetwork/vmbr0': ['SDN.Use'],
  '/nodes/pve': ['Sys.AccessNetwork', 'Sys.Audit'],
});
const without = (...names: string[]) => rights(GUEST.filter((name) => !names.includes(name)));

/** `doctor` with a token of these rights, in the pool `agents`. */
async function doctor(token: { id: string; secret: string }, more: Record<string, string> = {}) {
  const ran = await place.run(['doctor'], {
    PROXMOX_HOST: `127.0.0.1:${cluster.simulator.port}`,
    PROXMOX_TOKEN_ID: token.id,
    PROXMOX_TOKEN_SECRET: token.secret,
    PROXMOX_FINGERPRINT: cluster.simulator.fingerprint,
    PROXMOX_POOL: 'agents',
    PROXMOX_STORAGE: 'local-lvm',
    PROXMOX_DATA_DIR: dataDir,
    ...more,
  });
  const found = ran.json as { ok: boolean; can: string[]; checks: Check[] };
  return { code: ran.code, ...found, check: (name: string) => found.checks.find((one) => one.name === name) };
}
const policy = (content: object) => {
  const file = join(dataDir, 'policy.json');
  writeFileSync(file, JSON.stringify(content));
  return { PROXMOX_POLICY_FILE: file };
};
const linesOf = (check: Check | undefined) => (check?.next ?? '').split('\n').filter((line) => line.startsWith('pveum'));

test('the lines of the README make a token that may do everything and sees its pool and its backups', async () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  // The embedded cluster has a pool and roles of these names already.
  const own = readme
    .replaceAll(/\bMcp/g, 'Readme')
    .replaceAll('mcp@pve', 'readme@pve')
    .replaceAll(/\bagents\b/g, 'readme');
  const lines = own.split('\n').filter((line) => line.startsWith('pveum'));
  expect(lines).toHaveLength(14);
  let secret = '';
  for (const line of lines.map((one) => one.replace(/ +#.*/, ''))) {
    if (!line.startsWith('pveum user token add')) await pveum(cluster, line);
    else
      ({ value: secret } = (await asRoot(cluster, 'POST', '/access/users/readme@pve/token/agent', { privsep: '1' })) as { value: string });
  }
  const found = await doctor({ id: 'readme@pve!agent', secret }, { PROXMOX_POOL: 'readme', PROXMOX_QUOTA_SCOPE: 'pool:readme' });
  expect(found.check('rights')).toMatchObject({ state: 'ok' });
  expect(found.can).toHaveLength(ALL);
  expect(found.check('pools')).toBeUndefined();
  expect(found.check('backups')).toBeUndefined();
});

test.each([
  ['a rule of the policy', policyWith({ rules: [{ match: { pool: ['agents'], effect: ['destroy'] }, never: true }] })],
  ['"only" of the policy', policyWith({ only: { pools: ['agents'] } })],
  ['PROXMOX_QUOTA_SCOPE', async () => ({ PROXMOX_QUOTA_SCOPE: 'pool:agents' })],
  [
    'standing approval lease_1',
    async () => {
      const store = await openStore({ dataDir });
      const lease = {
        id: 'lease_1',
        operations: ['stop_vm'],
        pool: 'agents',
        usesLeft: 3,
        madeBy: 'local:0',
      };
      const times = { createdAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
      await store.standing.add({ ...lease, ...times, cluster: `127.0.0.1:${cluster.simulator.port}` });
      await store.close();
      return {};
    },
  ],
  [
    'the scope of access token claude',
    async () => {
      const store = await openStore({ dataDir });
      const token = {
        id: 'tok_1',
        name: 'claude',
        owner: 'alice',
        role: 'operator' as const,
        hash: 'aa'.repeat(32),
        cidrs: [],
        trustsClient: false,
      };
      const times = { createdAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
      await store.tokens.add({ ...token, ...times, scope: { pools: ['agents'] } });
      await store.close();
      return {};
    },
  ],
])('without Pool.Audit doctor fails where %s uses the pool, and names the line', async (by, settings) => {
  const found = await doctor(await tokenWith(cluster, without('Pool.Audit')), await settings());
  expect(found.code).toBe(1);
  expect(found.check('pools')).toMatchObject({ state: 'fail', text: expect.stringContaining(`used by ${by}`) });
  expect(linesOf(found.check('pools'))).toEqual(['pveum acl list', "pveum role modify ROLE --append --privs 'Pool.Audit'"]);
});
function policyWith(content: object) {
  return async () => policy(content);
}

test('guests of a pool that the token cannot see are not counted as none', async () => {
  const found = await doctor(await tokenWith(cluster, without('Pool.Audit')), { PROXMOX_QUOTA_SCOPE: 'pool:agents' });
  expect(found.checks.filter((one) => one.name === 'limits').map((one) => one.text)).toEqual([
    'the guests of pool agents cannot be counted without Pool.Audit, so nothing can be created (PROXMOX_QUOTA_SCOPE)',
  ]);
});

test('a pool that nothing but PROXMOX_POOL names deserves a look', async () => {
  const found = await doctor(await tokenWith(cluster, without('Pool.Audit')));
  expect(found.check('pools')).toMatchObject({ state: 'warn' });
});

test.each(['VM.Audit', 'VM.Clone'])(
  '%s is missing where only the pool lacks it: the right on a template counts for the template',
  async (privilege) => {
    const found = await doctor(await tokenWith(cluster, without(privilege)));
    expect(found.check('rights')).toMatchObject({ state: 'warn' });
    expect(found.check('rights for clone_template')?.text).toBe(`missing: ${privilege} on /pool/agents`);
  },
);

test('the lines for a half-set pool are complete: after them nothing is missing', async () => {
  const token = await tokenWith(cluster, rights(['VM.Allocate', 'VM.PowerMgmt']));
  const before = await doctor(token);
  for (const line of linesOf(before.check('rights'))) await pveum(cluster, line, roleOf('/pool/agents'));
  const after = await doctor(token);
  expect(after.can).toHaveLength(ALL);
  for (const name of ['rights', 'pools', 'backups']) expect(after.check(name)?.state ?? 'ok').toBe('ok');
});

test('without VM.Backup doctor says what it cannot see, and fails where the policy requires backups', async () => {
  const token = await tokenWith(cluster, without('VM.Backup'));
  expect((await doctor(token)).check('backups')).toMatchObject({
    state: 'warn',
    text: expect.stringContaining('lacks VM.Backup on /pool/agents: it sees no backup'),
  });
  const asked = policy({ rules: [{ match: { effect: ['destroy'] }, require_backup_within: '24h' }] });
  expect((await doctor(token, asked)).check('backups')).toMatchObject({ state: 'fail' });
});

test('rights with which operations can do more are named with the lines that grant them, and nothing is refused for them', async () => {
  const token = await tokenWith(cluster, { ...rights(GUEST), '/nodes/pve': ['Sys.AccessNetwork'] });
  const found = await doctor(token);
  expect(found.can).toHaveLength(ALL);
  expect(found.check('rights')?.state).toBe('ok');
  expect(found.check('more rights')).toMatchObject({
    state: 'warn',
    text: expect.stringMatching(
      /clone_template.* can do or tell more with .*Sys\.Audit on \/nodes\/pve.* VM\.Config\.Cloudinit on \/pool\/agents/,
    ),
  });
  for (const line of linesOf(found.check('more rights')))
    await pveum(cluster, line, line.includes('VM.Config') ? roleOf('/pool/agents') : roleOf('/nodes/pve'));
  expect((await doctor(token)).check('more rights')).toBeUndefined();
});

test('a silent status daemon is named, and what exists is counted all the same', async () => {
  const token = cluster.simulator.token;
  const limits = { PROXMOX_MAX_TOTAL_RAM_MB: '100000', PROXMOX_MAX_TOTAL_DISK_GB: '10000' };
  const numbers = (found: Awaited<ReturnType<typeof doctor>>) => found.checks.filter((one) => one.name === 'limits').map((one) => one.text);
  const before = numbers(await doctor(token, limits));
  cluster.simulator.faults.add({ action: 'silent-status-daemon' });
  const found = await doctor(token, limits);
  expect(found.check('status daemon')).toMatchObject({
    state: 'warn',
    text: 'status daemon (pvestatd) of pve, pve2 is silent',
    next: expect.stringContaining('systemctl restart pvestatd; look for a hanging storage'),
  });
  expect(found.check('node')?.text).toContain('new guests go to pve (');
  expect(numbers(found)).toEqual(before);
});

test('disks that the token cannot see are said not to count', async () => {
  const found = await doctor(await tokenWith(cluster, rights(GUEST)), { PROXMOX_MAX_TOTAL_DISK_GB: '10000' });
  expect(found.checks.map((one) => one.text).join('\n')).toContain('disks that the token cannot see do not count');
});

test('a certificate that this very call pinned is not called "not pinned yet"', async () => {
  const found = await doctor(cluster.simulator.token, { PROXMOX_FINGERPRINT: '' });
  const words = found.checks.map((one) => one.text).join('\n');
  expect(words).toContain('was accepted without proof and pinned');
  expect(words).not.toContain('not pinned yet');
});
