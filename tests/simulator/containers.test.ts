import { afterEach, beforeEach, expect, it } from 'vitest';
import { clientOf, openSimulator } from './client.ts';

let opened: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  opened = await openSimulator();
});
afterEach(() => opened.close());

const TEMPLATE = 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst';
const container = { ostemplate: TEMPLATE, rootfs: 'local-lvm:8', hostname: 'app1', net0: 'name=eth0,bridge=vmbr0,ip=dhcp' };
const config = async (vmid: number) => (await opened.api.get(`/nodes/pve/lxc/${vmid}/config`)).data as Record<string, string>;

it('a container is unprivileged unless that was declined, and starts in a task of its own', async () => {
  const { api } = opened;
  expect(await api.task('POST', '/nodes/pve/lxc', { vmid: '300', ...container, mp0: 'local-lvm:2,mp=/data', start: '1' })).toBe('OK');
  expect(await config(300)).toMatchObject({ unprivileged: 1, rootfs: expect.stringMatching(/^local-lvm:vm-300-disk-0,size=8G$/) });
  expect((await config(300)).mp0).toMatch(/^local-lvm:vm-300-disk-1,mp=\/data,size=2G$/);
  const tasks = (await api.get('/nodes/pve/tasks?source=all&vmid=300')).data as { type: string }[];
  expect(tasks.map(({ type }) => type)).toEqual(['vzstart', 'vzcreate']);
});

it('features beyond nesting, devices and privileged containers are refused to a token', async () => {
  const api = clientOf(opened.simulator, { id: 'mcp@pve!agent', secret: '5eed0000-0000-4000-8000-000000000003' });
  const make = (more: Record<string, string>) => api.post('/nodes/pve/lxc', { vmid: '301', pool: 'agents', ...container, ...more });
  expect((await make({ features: 'nesting=1,keyctl=1' })).reason).toBe(
    'Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)',
  );
  expect((await make({ dev0: '/dev/fuse' })).reason).toBe(
    'Permission check failed (configuring device passthrough is only allowed for root@pam)',
  );
  expect((await make({ mp0: '/srv,mp=/srv' })).reason).toBe('Permission check failed (mount point type bind is only allowed for root@pam)');
  expect((await make({ unprivileged: '0' })).reason).toBe('Permission check failed (/, Sys.Modify)');
  expect((await make({ features: 'nesting=1' })).status).toBe(200);
  api.close();
});

it('a running container is cloned from a snapshot only; the clone has an address of its own', async () => {
  const { api } = opened;
  const refused = await api.post('/nodes/pve/lxc/200/clone', { newid: '302', full: '1' });
  expect(refused.reason).toBe('Full clone of a running container is only possible from a snapshot');
  expect(await api.task('POST', '/nodes/pve/lxc/200/snapshot', { snapname: 'base' })).toBe('OK');
  expect(await api.task('POST', '/nodes/pve/lxc/200/clone', { newid: '302', full: '1', snapname: 'base', hostname: 'dns2' })).toBe('OK');
  const copy = await config(302);
  expect(copy).toMatchObject({ hostname: 'dns2', rootfs: expect.stringContaining('vm-302-disk-0') });
  expect(copy.net0).not.toContain(String(/hwaddr=[^,]+/.exec(String((await config(200)).net0))?.[0]));
});

it('a template of a container answers with nothing and makes linked clones', async () => {
  const { api } = opened;
  await api.task('POST', '/nodes/pve/lxc', { vmid: '303', ...container });
  expect((await api.post('/nodes/pve/lxc/303/template')).data).toBeNull();
  const [made] = (await api.get('/nodes/pve/tasks?source=all&typefilter=vztemplate')).data as { upid: string }[];
  expect(await api.wait(String(made?.upid))).toBe('OK');
  expect((await config(303)).template).toBe(1);
  expect((await api.post('/nodes/pve/lxc/303/status/start')).reason).toBe("you can't start a CT if it's a template");
  expect(await api.task('POST', '/nodes/pve/lxc/303/clone', { newid: '304' })).toBe('OK');
});

it('a volume is moved while the container is stopped; the source stays unused unless it is to be deleted', async () => {
  const { api } = opened;
  expect((await api.post('/nodes/pve/lxc/200/move_volume', { volume: 'rootfs', storage: 'nas' })).reason).toBe(
    'cannot move volumes of a running container',
  );
  await api.task('POST', '/nodes/pve/lxc/200/status/stop');
  expect(await api.task('POST', '/nodes/pve/lxc/200/move_volume', { volume: 'rootfs', storage: 'nas' })).toBe('OK');
  expect(await config(200)).toMatchObject({ rootfs: expect.stringMatching(/^nas:/), unused0: expect.stringMatching(/^local-lvm:/) });
});

it('a container is backed up and restored under another id, on the storage local unless one is named', async () => {
  const { api } = opened;
  expect(await api.task('POST', '/nodes/pve/vzdump', { vmid: '200', storage: 'nas', compress: 'zstd', mode: 'snapshot' })).toBe('OK');
  const [backup] = (await api.get('/nodes/pve/storage/nas/content?content=backup&vmid=200')).data as { volid: string }[];
  const ostemplate = String(backup?.volid);
  const refused = await api.post('/nodes/pve/lxc', { vmid: '305', ostemplate, restore: '1' });
  expect(refused.errors).toEqual({ storage: "storage 'local' does not support container directories" });
  expect(await api.task('POST', '/nodes/pve/lxc', { vmid: '305', ostemplate, restore: '1', storage: 'local-lvm', unique: '1' })).toBe('OK');
  const [old, restored] = [await config(200), await config(305)];
  expect(restored).toMatchObject({ hostname: old.hostname, rootfs: expect.stringContaining('vm-305-disk-0') });
  expect(restored.net0).not.toBe(old.net0);
  const taken = await api.post('/nodes/pve/lxc', { vmid: '200', ostemplate, restore: '1', storage: 'local-lvm', force: '1' });
  expect(taken.reason).toBe("can't overwrite running container");
});

it('a grown disk asks for two privileges, and the same size again is refused', async () => {
  const { api } = opened;
  expect(await api.task('PUT', '/nodes/pve/lxc/200/resize', { disk: 'rootfs', size: '6G' })).toBe('OK');
  expect((await api.put('/nodes/pve/lxc/200/resize', { disk: 'rootfs', size: '6G' })).reason).toBe('disk is already at specified size');
  expect((await api.put('/nodes/pve/lxc/200/resize', { disk: 'rootfs', size: '1G' })).reason).toBe('unable to shrink disk size');
});

it('a container whose disks are mounted in the shell of the node starts and stops hard, and nothing else', async () => {
  const { api, simulator } = opened;
  simulator.faults.lock(200, 'mounted');
  expect(await api.task('POST', '/nodes/pve/lxc/200/status/shutdown')).toBe('CT is locked (mounted)');
  expect(await api.task('POST', '/nodes/pve/lxc/200/status/stop')).toBe('OK');
  expect(await api.task('POST', '/nodes/pve/lxc/200/status/start')).toBe('OK');
  simulator.faults.lock(200, 'backup');
  expect(await api.task('POST', '/nodes/pve/lxc/200/status/stop')).toBe('CT is locked (backup)');
});
