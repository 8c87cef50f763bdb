import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSimulator, until } from './client.ts';

let place: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  place = await openSimulator();
});
afterEach(() => place.close());

const VM = '/nodes/pve/qemu/301';

async function make(drives: Record<string, string>): Promise<void> {
  expect(await place.api.task('POST', '/nodes/pve/qemu', { vmid: '301', name: 'mover', memory: '64', ...drives })).toBe('OK');
}

const diskOn = async (node: string, key: string): Promise<string> => (await place.api.get(`/nodes/${node}/qemu/301/config`)).data[key];

/** The log of a migration that ends with no more than `migration aborted`. */
async function aborted(path: string, params: Record<string, string>): Promise<string> {
  const { data: upid } = await place.api.post(path, params);
  expect(await place.api.wait(String(upid))).toBe('migration aborted');
  const { data } = await place.api.get(`/nodes/${path.split('/')[2]}/tasks/${encodeURIComponent(String(upid))}/log`);
  return (data as { t: string }[]).map(({ t }) => t).join('\n');
}

it('moves local disks to the named storage and leaves shared ones where they are', async () => {
  await make({ scsi0: 'local-lvm:1', scsi1: 'nas:1' });
  expect(await place.api.task('POST', `${VM}/migrate`, { target: 'pve2', targetstorage: 'tank' })).toBe('OK');
  expect(await diskOn('pve2', 'scsi0')).toBe('tank:vm-301-disk-0,size=1G');
  expect(await diskOn('pve2', 'scsi1')).toMatch(/^nas:301\//);
  const on = async (storage: string) =>
    (await place.api.get(`/nodes/pve2/storage/${storage}/content?vmid=301`)).data.map(({ volid }: { volid: string }) => volid);
  expect([await on('tank'), await on('local-lvm'), (await on('nas')).length]).toEqual([['tank:vm-301-disk-0'], [], 1]);
});

it('maps storages one by one, and keeps the name where none is mapped', async () => {
  await make({ scsi0: 'local-lvm:1' });
  expect(await place.api.task('POST', `${VM}/migrate`, { target: 'pve2', targetstorage: 'nas:tank' })).toBe('OK');
  expect(await diskOn('pve2', 'scsi0')).toBe('local-lvm:vm-301-disk-0,size=1G');
});

it('refuses a storage that the other node lacks, named or used', async () => {
  await make({ scsi0: 'local-lvm:1' });
  const refused = await place.api.post(`${VM}/migrate`, { target: 'pve2', targetstorage: 'nope' });
  expect(refused.reason).toBe("storage 'nope' does not exist");
  await place.api.task('POST', `${VM}/migrate`, { target: 'pve2', targetstorage: 'tank' });
  const back = await place.api.post('/nodes/pve2/qemu/301/migrate', { target: 'pve' });
  expect(back.reason).toBe("storage 'tank' is not available on node 'pve'");
});

it('refuses a guest that uses devices of its host', async () => {
  await make({ scsi0: 'nas:1', usb0: 'spice' });
  expect((await place.api.get(`${VM}/migrate`)).data.local_resources).toEqual([]);
  await place.api.put(`${VM}/config`, { serial1: '/dev/ttyS0' });
  expect((await place.api.get(`${VM}/migrate`)).data.local_resources).toEqual(['serial1']);
  expect(await aborted(`${VM}/migrate`, { target: 'pve2' })).toContain("can't migrate VM which uses local devices: serial1");
});

it('a disk that a snapshot on thin storage refers to does not go along, nor does a mounted local medium', async () => {
  await make({ scsi0: 'local-lvm:1', ide2: 'local:iso/debian-12.iso,media=cdrom' });
  expect(await aborted(`${VM}/migrate`, { target: 'pve2' })).toContain(
    "can't migrate local disk 'local:iso/debian-12.iso': local cdrom image",
  );
  await place.api.put(`${VM}/config`, { ide2: 'none,media=cdrom' });
  await place.api.task('POST', `${VM}/snapshot`, { snapname: 'before' });
  expect(await aborted(`${VM}/migrate`, { target: 'pve2' })).toContain('non-migratable snapshot exists');
});

it('HA takes the request and migrates later, as root', async () => {
  expect(await place.api.task('POST', '/nodes/pve/qemu/102/migrate', { target: 'pve2', online: '1' })).toBe('OK');
  const node = async () =>
    ((await place.api.get('/cluster/resources?type=vm')).data as { vmid: number; node: string }[]).find(({ vmid }) => vmid === 102)?.node;
  const begun = async () =>
    ((await place.api.get('/nodes/pve/tasks?source=all&vmid=102')).data as { upid: string; type: string; user: string }[]).filter(
      ({ type }) => type === 'qmigrate',
    );
  await until(async () => (await begun()).length > 0);
  const tasks = await begun();
  expect(tasks.map(({ user }) => user)).toEqual(['root@pam']);
  expect(await place.api.wait(String(tasks[0]?.upid))).toBe('OK');
  expect(await node()).toBe('pve2');
});

it('an HA rule that keeps two guests apart is reported before a migration and by the request', async () => {
  const { api } = place;
  expect((await api.post('/cluster/ha/resources', { sid: 'vm:101' })).status).toBe(200);
  const rule = { rule: 'apart', type: 'resource-affinity', affinity: 'negative', resources: 'vm:101,vm:102' };
  expect((await api.post('/cluster/ha/rules', rule)).status).toBe(200);
  const blocking = [{ sid: 'vm:101', cause: 'resource-affinity' }];
  expect((await api.get('/nodes/pve/qemu/102/migrate')).data.not_allowed_nodes).toEqual({ pve2: { 'blocking-ha-resources': blocking } });
  const { data } = await api.post('/cluster/ha/resources/vm:102/migrate', { node: 'pve2' });
  expect(data).toEqual({ sid: 'vm:102', 'requested-node': 'pve2', 'blocking-resources': blocking });
});

it('the HA manager takes local disks along, knows nothing of another storage, and moves what a rule keeps together', async () => {
  const { api } = place;
  await make({ scsi0: 'local-lvm:1' });
  for (const sid of ['vm:301', 'vm:105']) expect((await api.post('/cluster/ha/resources', { sid, state: 'stopped' })).status).toBe(200);
  const rule = { rule: 'together', type: 'resource-affinity', affinity: 'positive', resources: 'vm:301,vm:105' };
  expect((await api.post('/cluster/ha/rules', rule)).status).toBe(200);
  expect((await api.get(`${VM}/migrate`)).data['dependent-ha-resources']).toEqual(['vm:105']);
  expect(await api.task('POST', `${VM}/migrate`, { target: 'pve2', targetstorage: 'tank' })).toBe('OK');
  const tasks = (await api.get('/nodes/pve/tasks?source=active')).data as { upid: string; id: string }[];
  expect(tasks.map(({ id }) => id).sort()).toEqual(['105', '301']);
  for (const { upid } of tasks) expect(await api.wait(upid)).toBe('OK');
  expect(await diskOn('pve2', 'scsi0')).toBe('local-lvm:vm-301-disk-0,size=1G');
  expect((await api.get('/nodes/pve2/qemu/105/config')).status).toBe(200);
});

it('a running guest with copies goes only to a node that has one', async () => {
  const { api } = place;
  await make({ scsi0: 'nas:1' });
  await api.post('/nodes/pve/qemu', { vmid: '302', name: 'copied' });
  expect((await api.post('/cluster/replication', { id: '301-0', type: 'local', target: 'pve2' })).reason).toContain('replicate feature');
  expect((await api.post('/cluster/replication', { id: '302-0', type: 'local', target: 'pve2' })).status).toBe(200);
  expect(await api.task('POST', '/nodes/pve/qemu/302/migrate', { target: 'pve2' })).toBe('OK');
  expect(await api.task('POST', '/nodes/pve2/qemu/302/status/start')).toBe('OK');
  const back = await api.post('/nodes/pve2/qemu/302/migrate', { target: 'pve', online: '1' });
  expect(back.errors).toEqual({
    target: "Cannot live-migrate replicated VM to node 'pve' - not a replication target. Use 'force' to override.",
  });
});

it('detached disks go along', async () => {
  const { api } = place;
  await make({ scsi0: 'nas:1', scsi1: 'local-lvm:1' });
  await api.put(`${VM}/config`, { delete: 'scsi1' });
  const { local_disks } = (await api.get(`${VM}/migrate`)).data;
  expect(local_disks).toMatchObject([{ volid: 'local-lvm:vm-301-disk-0', is_unused: 1, is_attached: 0 }]);
  expect(await api.task('POST', `${VM}/migrate`, { target: 'pve2' })).toBe('OK');
  const there = (await api.get('/nodes/pve2/storage/local-lvm/content?vmid=301')).data as { volid: string }[];
  expect(there.map(({ volid }) => volid)).toEqual(['local-lvm:vm-301-disk-0']);
});

it('a running guest with a mapped device stays', async () => {
  const { api } = place;
  await make({ scsi0: 'nas:1' });
  await api.put(`${VM}/config`, { hostpci0: 'mapping=gpu' });
  expect((await api.get(`${VM}/migrate`)).data).toMatchObject({
    'mapped-resources': ['hostpci0'],
    'mapped-resource-info': { hostpci0: { name: 'gpu' } },
    local_resources: [],
  });
  await api.task('POST', `${VM}/status/start`);
  expect(await aborted(`${VM}/migrate`, { target: 'pve2', online: '1' })).toContain('following mapped devices: hostpci0:gpu');
});

it('a container goes with a restart, and only where that was requested', async () => {
  const refused = await place.api.post('/nodes/pve/lxc/200/migrate', { target: 'pve2' });
  expect(refused.reason).toBe("can't migrate running container without --online or --restart");
  expect((await place.api.get('/nodes/pve/lxc/200/migrate')).data).toEqual({
    running: 1,
    'allowed-nodes': ['pve2'],
    'not-allowed-nodes': {},
  });
  expect(await place.api.task('POST', '/nodes/pve/lxc/200/migrate', { target: 'pve2', restart: '1' })).toBe('OK');
  const { data } = await place.api.get('/nodes/pve2/lxc/200/status/current');
  expect([data.status, data.uptime < 3_600]).toEqual(['running', true]);
});

it('a node is drained guest by guest; what cannot go is left with its reason in the log', async () => {
  const { api } = place;
  const { data: upid } = await api.post('/nodes/pve/migrateall', { target: 'pve2', 'max-workers': '2', vms: '103,104,200' });
  expect(await api.wait(String(upid))).toBe('OK');
  const log = ((await api.get(`/nodes/pve/tasks/${encodeURIComponent(String(upid))}/log?limit=0`)).data as { t: string }[]).map(
    ({ t }) => t,
  );
  expect(log.join('\n')).toContain('skip VM 103 - precondition check failed:\n  Has local disks: local-lvm:vm-103-disk-0');
  const rows = (await api.get('/cluster/resources?type=vm')).data as { vmid: number; node: string }[];
  const where = Object.fromEntries(rows.map(({ vmid, node }) => [vmid, node]));
  expect([where[103], where[104], where[200]]).toEqual(['pve', 'pve2', 'pve2']);
});

it('a bulk call fails when one guest does, and names it', async () => {
  const { api } = place;
  const params = new URLSearchParams([
    ['vms', '105'],
    ['vms', '9000'],
    ['vms', '100'],
  ]);
  await api.put('/nodes/pve/qemu/105/config', { net0: 'virtio,bridge=vmbr9' });
  const started = await api.task('POST', `/cluster/bulk-action/guest/start?${params}`);
  expect(started).toBe('Some guests failed to start 105');
});
