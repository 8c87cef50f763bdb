import { afterEach, expect, test } from 'vitest';
import { NO_POLICY } from '../../../src/core/settings/policy.ts';
import type { PerformOptions } from '../../../src/engine/types.ts';
import { asRoot, tokenWith } from '../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const GUEST = [
  ...['VM.Allocate', 'VM.Audit', 'VM.Clone', 'VM.Config.CPU', 'VM.Config.Disk', 'VM.Config.HWType', 'VM.Config.Memory'],
  ...['VM.Config.Network', 'VM.Config.Options', 'VM.PowerMgmt'],
];
const STORE = ['Datastore.AllocateSpace', 'Datastore.Audit'];
const ALL = {
  '/pool/agents': GUEST,
  '/storage/local-lvm': STORE,
  '/sdn/zones/localnetwork/vmbr0': ['SDN.Use'],
  '/nodes/pve': ['Sys.Audit'],
};

async function withRights(rights: Record<string, string[]>, settings: object = {}) {
  world = await openWorld();
  const { cluster } = world;
  const token = await tokenWith(cluster, rights);
  const defaults = { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm', pool: 'agents' };
  const engine = world.another({ connection: cluster.connection(token), defaults, ...settings });
  const before = cluster.mutations().length;
  const call = (operation: string, args: object, options: PerformOptions = {}) =>
    engine.perform(operation, args, agent, { wait: 'end', ...options });
  return {
    cluster,
    call,
    refused: (operation: string, args: object, options?: PerformOptions) => world.refused(call(operation, args, options)),
    sent: () => cluster.mutations().slice(before),
  };
}
const without = (path: keyof typeof ALL) => Object.fromEntries(Object.entries(ALL).filter(([key]) => key !== path));

test('a bridge that the token cannot see is a missing right, not a missing bridge', async () => {
  const { refused, sent } = await withRights(without('/sdn/zones/localnetwork/vmbr0'));
  for (const args of [{ name: 'app1' }, { name: 'app1', net_bridge: 'vmbr0' }]) {
    const error = await refused('create_vm', args);
    expect(error).toMatchObject({
      code: 'permission_denied',
      who: 'operator',
      message: 'Seeing and using bridge vmbr0 on pve needs SDN.Use on /sdn/zones/localnetwork/vmbr0, which the API token lacks.',
    });
    expect(error.hint).toContain('pveum');
  }
  expect(sent()).toEqual([]);
});

test('a bridge that would be seen and is not there does not exist', async () => {
  const { refused } = await withRights({ ...ALL, '/sdn/zones/localnetwork': ['SDN.Use'] });
  expect(await refused('create_vm', { name: 'app1', net_bridge: 'vmbr99' })).toMatchObject({
    code: 'not_possible',
    message: 'Bridge vmbr99 does not exist on pve.',
  });
});

test('an ISO on a storage that the token cannot see is a missing right; on one that it sees it does not exist', async () => {
  const { refused, cluster } = await withRights(ALL);
  const error = await refused('create_vm', { name: 'app1', iso: 'local:iso/nothing.iso' });
  expect(error).toMatchObject({ code: 'permission_denied', details: { missing: [{ path: '/storage/local' }] } });
  await asRoot(cluster, 'PUT', '/access/acl', {
    path: '/storage/local',
    roles: 'PVEDatastoreUser',
    users: 'limited@pve',
    tokens: 'limited@pve!agent',
  });
  expect(await refused('create_vm', { name: 'app1', iso: 'local:iso/nothing.iso' })).toMatchObject({
    code: 'storage_unavailable',
    message: 'ISO local:iso/nothing.iso does not exist on pve.',
  });
});

test('a disk of a guest that the token may not configure may exist', async () => {
  const { refused } = await withRights({ ...ALL, '/vms/105': ['VM.Audit'] });
  expect(await refused('create_vm', { name: 'app1', image: 'local-lvm:vm-106-disk-0' })).toMatchObject({
    code: 'permission_denied',
    details: { missing: [{ path: '/vms/106', privileges: ['VM.Config.Disk'] }] },
  });
});

test('a storage that the token cannot see is a missing right', async () => {
  const { refused } = await withRights(ALL);
  expect(await refused('create_vm', { name: 'app1', storage: 'nas' })).toMatchObject({
    code: 'permission_denied',
    details: { missing: [{ path: '/storage/nas' }] },
  });
});

test('a dry run refuses a pool that does not exist, with those that the token may use and nothing of their members', async () => {
  const { refused, sent } = await withRights({ ...ALL, '/vms/9000': ['VM.Audit', 'VM.Clone'] });
  for (const [operation, args] of [
    ['create_vm', { name: 'app1', pool: 'zzz' }],
    ['clone_template', { source_vmid: 9000, name: 'app1', pool: 'zzz' }],
  ] as const) {
    const error = await refused(operation, args, { dryRun: true });
    expect(error).toMatchObject({ code: 'not_possible', message: 'Pool zzz does not exist.', hint: 'Choose one of: agents.' });
    expect(JSON.stringify(error)).not.toContain('build1');
  }
  expect(sent()).toEqual([]);
});

test('a pool in which the token may create no guests is a missing right', async () => {
  const { refused, cluster } = await withRights(ALL);
  await asRoot(cluster, 'POST', '/pools', { poolid: 'other' });
  expect(await refused('create_vm', { name: 'app1', pool: 'other' })).toMatchObject({
    code: 'permission_denied',
    details: { missing: [{ path: '/pool/other', privileges: ['VM.Allocate'] }] },
  });
});

test('a backup that the token may not make fails before a human is asked', async () => {
  const { refused, sent } = await withRights({ ...ALL, '/storage/local': STORE });
  const error = await refused('delete_vm', { vmid: 104, backup_storage: 'local' });
  expect(error).toMatchObject({
    code: 'permission_denied',
    message: 'A backup of build1 (104) to local needs VM.Backup on /vms/104, which the API token lacks.',
  });
  expect(error.hint).toContain('on /pool/agents');
  expect(sent()).toEqual([]);
});

test('a storage for backups that the token cannot see is a missing right', async () => {
  const { refused } = await withRights(ALL);
  expect(await refused('delete_vm', { vmid: 104, backup_storage: 'local' })).toMatchObject({
    code: 'permission_denied',
    details: { missing: [{ path: '/storage/local' }] },
  });
});

test.each([
  ['stop_vm', { vmid: 103 }, 'VM.PowerMgmt'],
  ['stop_vm', { vmids: [100, 103], force: true }, 'VM.PowerMgmt'],
  ['delete_vm', { vmid: 104 }, 'VM.Allocate'],
])('no human is asked about %s %j without %s', async (operation, args, privilege) => {
  const { refused, sent } = await withRights({ '/vms': GUEST.filter((one) => one !== privilege) });
  const error = await refused(operation, args);
  expect(error).toMatchObject({ code: 'permission_denied', message: expect.stringContaining(`needs ${privilege} on /vms/`) });
  expect(error.hint).toContain('on /vms:');
  expect(sent()).toEqual([]);
});

test.each([
  ['set_resources', { vmid: 100, cores: 3 }, 'VM.Config.CPU', '/vms/100'],
  ['set_resources', { vmid: 100, memory: 4000 }, 'VM.Config.Memory', '/vms/100'],
  ['set_resources', { vmid: 200, cores: 3 }, 'VM.Config.CPU', '/vms/200'],
  ['clone_template', { source_vmid: 9000, name: 'copy' }, 'VM.Clone', '/vms/9000'],
])('nor about %s %j without %s, where changes need a yes; its dry run says the same', async (operation, args, privilege, path) => {
  const { '/pool/agents': _, ...rest } = ALL;
  const policy = { rules: [{ match: {}, never: false, way: 'relay' as const }], perHour: {} };
  const defaults = { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm' };
  const { refused, sent } = await withRights({ ...rest, '/vms': GUEST.filter((one) => one !== privilege) }, { policy, defaults });
  const error = { code: 'permission_denied', message: expect.stringContaining(`needs ${privilege} on ${path}`) };
  expect(await refused(operation, args)).toMatchObject(error);
  expect(await refused(operation, args, { dryRun: true })).toMatchObject(error);
  expect(sent()).toEqual([]);
});

test('"no backup" is said only to a token that could have seen one', async () => {
  const { call, cluster } = await withRights({ ...ALL, '/storage/local': STORE });
  const blind = await call('delete_vm', { vmid: 104 });
  const warnings = (result: Awaited<ReturnType<typeof call>>) => (result.kind === 'approval_required' ? result.approval.plan.warnings : []);
  expect(warnings(blind).join()).toContain('this token cannot tell whether there is a backup on local: backups show with VM.Backup');
  expect(JSON.stringify(blind)).not.toContain('"lastBackup"');
  await asRoot(cluster, 'PUT', '/access/roles/R-limited-pool-agents', { privs: 'VM.Backup', append: '1' });
  const seeing = await call('delete_vm', { vmid: 104, purge: false });
  expect(warnings(seeing)).toContain('no backup on the storages this token can see (local)');
});

test('a policy that requires a backup names the right that is missing to see one', async () => {
  const policy = { ...NO_POLICY, rules: [{ match: { operation: ['delete_vm'] }, requireBackupWithin: 86_400 }] };
  const { refused } = await withRights({ ...ALL, '/storage/local': STORE }, { policy });
  expect(await refused('delete_vm', { vmid: 104 })).toMatchObject({
    code: 'permission_denied',
    message: 'The policy requires a backup not older than 24 h. Seeing one needs VM.Backup on /vms/104, which the API token lacks.',
  });
});

test('a refusal by the total of disks is rounded, and says that unseen disks do not count', async () => {
  const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, maxTotalDiskGib: 20, scope: { kind: 'visible' } };
  const { refused } = await withRights(ALL, { limits });
  const { message } = await refused('create_vm', { name: 'app1', disk_gb: 32 });
  expect(message).toMatch(/disk of all guests \d+(\.\d{1,2})? \+ 32 > 20 GiB \(PROXMOX_MAX_TOTAL_DISK_GB\)/);
  expect(message).toContain('Disks that the API token cannot see are not counted.');
});
