import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf, openSimulator } from '../simulator/client.ts';

/**
 * Lists that were not recorded for each token: who sees which rows, and who is refused, by the declared permissions and by the rules in
 * Proxmox's sources (a list is never refused because rows are hidden).
 */
let opened: Awaited<ReturnType<typeof openSimulator>>;
let make: (rights: Record<string, string[]>) => Promise<(path: string) => Promise<unknown>>;

beforeAll(async () => {
  opened = await openSimulator();
  const { api, simulator } = opened;
  let count = 0;
  make = async (rights) => {
    const userid = `v${count++}@pve`;
    await api.post('/access/users', { userid });
    const { data } = await api.post(`/access/users/${userid}/token/tok`, { privsep: '0' });
    for (const [path, privs] of Object.entries(rights)) {
      const roleid = `R${count}${path.replaceAll('/', '-')}`;
      await api.post('/access/roles', { roleid, privs: privs.join(',') });
      await api.put('/access/acl', { path, roles: roleid, users: userid });
    }
    const client = clientOf(simulator, { id: `${userid}!tok`, secret: data.value });
    return async (path) => {
      const reply = await client.get(path);
      return reply.status === 200 ? reply.data : `${reply.status} ${reply.reason}`;
    };
  };
  await api.task('POST', '/nodes/pve2/qemu', { vmid: '310', scsi0: 'tank:1' });
  await api.post('/cluster/replication', { id: '310-0', target: 'pve', type: 'local' });
  await api.post('/cluster/sdn/zones', { zone: 'lab', type: 'simple' });
  await api.post('/cluster/sdn/vnets', { vnet: 'net1', zone: 'lab' });
  await api.post('/access/groups', { groupid: 'team' });
  await api.post('/cluster/backup', { id: 'all1', all: '1', storage: 'nas', schedule: 'daily' });
  await api.post('/cluster/ha/rules', { rule: 'apart', type: 'node-affinity', resources: 'vm:102', nodes: 'pve' });
});
afterAll(() => opened.close());

const ids = (rows: unknown, field: string) => (rows as Record<string, unknown>[]).map((row) => row[field]).sort();

it('containers are listed with VM.Audit, as virtual machines are', async () => {
  expect(ids(await (await make({ '/vms/200': ['VM.Audit'] }))('/nodes/pve/lxc'), 'vmid')).toEqual([200]);
  expect(await (await make({}))('/nodes/pve/lxc')).toEqual([]);
  const see = await make({ '/vms/201': ['VM.Audit'] });
  expect(await see('/nodes/pve/lxc/200/config')).toBe('403 Permission check failed (/vms/200, VM.Audit)');
  expect(await see('/nodes/pve2/lxc/201/interfaces')).toBeNull();
});

it('replication jobs are listed with VM.Audit on their guest', async () => {
  expect(ids(await (await make({ '/vms/310': ['VM.Audit'] }))('/cluster/replication'), 'id')).toEqual(['310-0']);
  expect(await (await make({ '/': ['Sys.Audit'] }))('/cluster/replication')).toEqual([]);
});

it('zones and virtual networks are listed with a right on their zone', async () => {
  expect(ids(await (await make({ '/sdn/zones/lab': ['SDN.Audit'] }))('/cluster/sdn/vnets'), 'vnet')).toEqual(['net1']);
  expect(await (await make({ '/sdn/zones/localnetwork': ['SDN.Audit'] }))('/cluster/sdn/zones')).toEqual([]);
});

it('the volumes of a backup job are listed for the guests that the token sees', async () => {
  const { children } = (await (
    await make({ '/': ['Sys.Audit'], '/vms/100': ['VM.Audit'] })
  )('/cluster/backup/all1/included_volumes')) as {
    children: unknown;
  };
  expect(ids(children, 'id')).toEqual([100]);
});

it('the preview of a prune asks for a right on the storage, and then tells of all guests', async () => {
  const path = '/nodes/pve/storage/pbs/prunebackups?prune-backups=keep-last%3D1';
  expect(ids(await (await make({ '/storage/pbs': ['Datastore.Audit'] }))(path), 'mark')).toEqual(['keep', 'keep', 'keep', 'remove']);
  expect(await (await make({ '/vms': ['VM.Backup'] }))(path)).toBe(
    '403 Permission check failed (/storage/pbs, Datastore.Audit|Datastore.AllocateSpace)',
  );
});

it('backups on a backup server are filtered like those of files', async () => {
  const rights = { '/storage/pbs': ['Datastore.Audit', 'Datastore.AllocateSpace'], '/vms/100': ['VM.Backup'] };
  expect(ids(await (await make(rights))('/nodes/pve/storage/pbs/content'), 'vmid')).toEqual([100, 100]);
  expect(await (await make({ '/storage/pbs': ['Datastore.Audit'] }))('/nodes/pve/storage/pbs/content')).toEqual([]);
});

it.each([
  ['/cluster/ha/rules', '/', 'Sys.Audit'],
  ['/cluster/metrics/export', '/', 'Sys.Audit'],
  ['/cluster/firewall/rules', '/', 'Sys.Audit'],
  ['/nodes/pve/services', '/nodes/pve', 'Sys.Audit'],
  ['/nodes/pve/journal', '/nodes/pve', 'Sys.Syslog'],
  ['/nodes/pve/apt/update', '/nodes/pve', 'Sys.Modify'],
  ['/nodes/pve/firewall/options', '/nodes/pve', 'Sys.Audit'],
  ['/nodes/pve/storage/nas/rrddata?timeframe=hour', '/storage/nas', 'Datastore.Audit'],
  ['/nodes/pve/qemu/100/firewall/refs', '/vms/100', 'VM.Audit'],
  ['/nodes/pve/qemu/100/migrate', '/vms/100', 'VM.Migrate'],
  ['/cluster/notifications/endpoints/gotify', '/mapping/notifications', 'Mapping.Audit'],
])('%s is for those with %s %s', async (path, where, priv) => {
  expect(await (await make({}))(path)).toMatch(/^403 Permission check failed \(/);
  expect(await (await make({ [where]: [priv] }))(path)).toBeTypeOf('object');
});

it('groups are listed with a right on them, tasks of the node with Sys.Audit there', async () => {
  expect(ids(await (await make({ '/access/groups': ['Sys.Audit'] }))('/access/groups'), 'groupid')).toEqual(['team']);
  expect(await (await make({}))('/access/groups')).toEqual([]);
  expect(await (await make({}))('/nodes/pve2/tasks?source=all')).toEqual([]);
  expect(ids(await (await make({ '/nodes/pve2': ['Sys.Audit'] }))('/nodes/pve2/tasks?errors=1'), 'id')).toEqual(['107']);
});
