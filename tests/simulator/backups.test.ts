import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSimulator } from './client.ts';

let opened: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  opened = await openSimulator();
});
afterEach(() => opened.close());

const backups = async (vmid: number) =>
  (await opened.api.get(`/nodes/pve/storage/nas/content?content=backup&vmid=${vmid}`)).data as { volid: string; protected?: number }[];

/** Each archive is named after the second it was begun in. */
const nextSecond = () => new Promise((resolve) => setTimeout(resolve, 1_050));

async function back(params: Record<string, string> = {}, vmid = 104): Promise<string> {
  await nextSecond();
  return opened.api.task('POST', '/nodes/pve/vzdump', { vmid: String(vmid), storage: 'nas', ...params });
}

it('a retention prunes after the backup unless remove=0, which is refused where the retention is reached', async () => {
  expect(await back({ 'prune-backups': 'keep-last=1', remove: '1' })).toBe('OK');
  expect(await back({ 'prune-backups': 'keep-last=1', remove: '1' })).toBe('OK');
  expect(await backups(104)).toHaveLength(1);
  expect(await back({ 'prune-backups': 'keep-last=1', remove: '0' })).toBe('job errors');
  expect(await backups(104)).toHaveLength(1);
});

it('the preview of a prune is what the prune then does; a protected backup stays', async () => {
  await back({ protected: '1' });
  await back();
  await back();
  const path = '/nodes/pve/storage/nas/prunebackups?vmid=104&type=qemu&prune-backups=keep-last%3D1';
  const marked = (await opened.api.get(path)).data as { volid: string; mark: string }[];
  const marks = marked.map(({ mark }) => mark);
  expect(marks.filter((mark) => mark === 'keep')).toHaveLength(1);
  expect(marks).toContain('protected');
  expect(await opened.api.task('DELETE', path)).toBe('OK');
  const kept = marked.filter(({ mark }) => mark !== 'remove').map(({ volid }) => volid);
  expect((await backups(104)).map(({ volid }) => volid).sort()).toEqual(kept.sort());
});

it('a job is one of guests, pool or all, and tells which volumes it covers', async () => {
  const { api } = opened;
  expect((await api.post('/cluster/backup', { id: 'weekly', schedule: 'sun 03:00', storage: 'nas', vmid: '100,104' })).status).toBe(200);
  const { children } = (await api.get('/cluster/backup/weekly/included_volumes')).data as { children: { id: number }[] };
  expect(children.map(({ id }) => id)).toEqual([100, 104]);
  expect((await api.put('/cluster/backup/weekly', { all: '1' })).status).toBe(200);
  expect((await api.get('/cluster/backup/weekly')).data).toEqual(
    expect.not.objectContaining({ vmid: expect.anything(), pool: expect.anything() }),
  );
  expect((await api.get('/cluster/backup-info/not-backed-up')).data).toEqual([]);
  expect((await api.delete('/cluster/backup/weekly')).status).toBe(200);
  expect((await api.get('/cluster/backup-info/not-backed-up')).data).not.toEqual([]);
});

it('guests of another node are left out of a backup without a message', async () => {
  const { data } = await opened.api.post('/nodes/pve/vzdump', { vmid: '101', storage: 'nas' });
  expect(data).toBe('OK');
});

it('a guest is locked while it is backed up, and a stopped VM runs halted', async () => {
  const { api, simulator } = opened;
  simulator.faults.add({ match: { path: '/vzdump$' }, action: 'slow-task', ms: 60_000, times: 1 });
  const { data } = await api.post('/nodes/pve/vzdump', { vmid: '101,104', storage: 'nas' });
  const status = async () => (await api.get('/nodes/pve/qemu/104/status/current')).data;
  expect(await status()).toMatchObject({ status: 'running', qmpstatus: 'prelaunch', lock: 'backup' });
  const locked = 'VM is locked (backup)';
  expect((await api.post('/nodes/pve/qemu/104/config', { description: 'x' })).reason).toBe(locked);
  expect(await api.task('POST', '/nodes/pve/qemu/104/status/stop')).toBe(locked);
  expect((await api.post('/nodes/pve/vzdump', { vmid: '104', storage: 'nas' })).status).toBe(200);
  await api.delete(`/nodes/pve/tasks/${encodeURIComponent(String(data))}`);
  expect(await status()).toEqual(expect.not.objectContaining({ lock: expect.anything() }));
  expect(await status()).toMatchObject({ status: 'stopped' });
});

it('a VM that is started during its backup stays on', async () => {
  const { api, simulator } = opened;
  simulator.faults.add({ match: { path: '/vzdump$' }, action: 'slow-task', ms: 1_500, times: 1 });
  const { data } = await api.post('/nodes/pve/vzdump', { vmid: '104', storage: 'nas' });
  expect(await api.task('POST', '/nodes/pve/qemu/104/status/start')).toBe('OK');
  expect(await api.wait(String(data))).toBe('OK');
  expect((await api.get('/nodes/pve/qemu/104/status/current')).data).toMatchObject({ qmpstatus: 'running' });
  expect(await backups(104)).toHaveLength(1);
});

it('a backup server keeps backups under its own names, from which a guest is restored and started', async () => {
  const { api } = opened;
  expect(await back({ storage: 'pbs' })).toBe('OK');
  const rows = (await api.get('/nodes/pve/storage/pbs/content?vmid=104')).data as { volid: string; format: string }[];
  expect(rows).toMatchObject([{ volid: expect.stringMatching(/^pbs:backup\/vm\/104\/\d{4}-\d\d-\d\dT[\d:]{8}Z$/), format: 'pbs-vm' }]);
  const archive = String(rows[0]?.volid);
  expect(await api.task('POST', '/nodes/pve/qemu', { vmid: '320', archive, storage: 'nas', unique: '1', start: '1' })).toBe('OK');
  const tasks = (await api.get('/nodes/pve/tasks?source=all&vmid=320')).data as { upid: string; type: string }[];
  expect(tasks.map(({ type }) => type)).toEqual(['qmstart', 'qmrestore']);
  expect(await api.wait(String(tasks[0]?.upid))).toBe('OK');
});

it('a guest is restored over only with force, while it is stopped and not protected; its snapshots go', async () => {
  const { api } = opened;
  await back();
  const archive = String((await backups(104))[0]?.volid);
  const over = (more: Record<string, string> = {}) => api.post('/nodes/pve/qemu', { vmid: '104', archive, storage: 'nas', ...more });
  expect((await over()).reason).toBe("unable to restore VM 104 - VM 104 already exists on node 'pve'");
  await api.put('/nodes/pve/qemu/104/config', { protection: '1' });
  expect(await api.wait(String((await over({ force: '1' })).data))).toBe('unable to restore VM 104 - protection mode enabled');
  await api.put('/nodes/pve/qemu/104/config', { protection: '0' });
  expect(await api.wait(String((await over({ force: '1' })).data))).toBe('OK');
  expect((await api.get('/nodes/pve/qemu/104/snapshot')).data.map(({ name }: { name: string }) => name)).toEqual(['current']);
});
