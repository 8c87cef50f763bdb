import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSimulator } from './client.ts';

let place: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  place = await openSimulator();
  const { api } = place;
  const options = { vmid: '301', name: 'states', memory: '64', agent: '1', net0: 'virtio,bridge=vmbr0', boot: 'order=scsi0' };
  expect(await api.task('POST', '/nodes/pve/qemu', { ...options, scsi0: 'local-lvm:1', scsi1: 'local-lvm:1' })).toBe('OK');
});
afterEach(() => place.close());

const VM = '/nodes/pve/qemu/301';
const start = () => place.api.task('POST', `${VM}/status/start`);
const config = async () => (await place.api.get(`${VM}/config`)).data;
const pending = async (key: string) => (await place.api.get(`${VM}/pending`)).data.find((row: { key: string }) => row.key === key);
const volumes = async () =>
  (await place.api.get('/nodes/pve/storage/local-lvm/content?vmid=301')).data.map(({ volid }: { volid: string }) => volid).sort();

it('a hibernated guest can be deleted, saved memory and all', async () => {
  await start();
  expect(await place.api.task('POST', `${VM}/status/suspend`, { todisk: '1' })).toBe('OK');
  expect(await config()).toMatchObject({ lock: 'suspended' });
  expect(await place.api.task('DELETE', VM)).toBe('OK');
  expect(await volumes()).toEqual([]);
});

it('a paused guest refuses to be shut down, at once, unless by force', async () => {
  await start();
  await place.api.task('POST', `${VM}/status/suspend`);
  expect((await place.api.post(`${VM}/status/shutdown`)).reason).toBe('VM is paused - cannot shutdown');
  expect(await place.api.task('POST', `${VM}/status/shutdown`, { forceStop: '1' })).toBe('OK');
});

it('a network card on a missing bridge is accepted, and the start fails', async () => {
  expect((await place.api.put(`${VM}/config`, { net0: 'virtio,bridge=vmbr77' })).status).toBe(200);
  expect(await start()).toBe("bridge 'vmbr77' does not exist");
});

it('a hotplug failure is an error, and the requested change stays pending: by PUT and by POST', async () => {
  await start();
  const put = await place.api.put(`${VM}/config`, { delete: 'scsi0' });
  expect([put.status, put.errors]).toEqual([400, { scsi0: "hotplug problem - can't unplug bootdisk 'scsi0'\n" }]);
  expect(await pending('scsi0')).toMatchObject({ delete: 1 });
  const exit = await place.api.task('POST', `${VM}/config`, { net1: 'virtio,bridge=vmbr77' });
  expect(exit).toContain("net1: hotplug problem - bridge 'vmbr77' does not exist");
  expect(await pending('net1')).toMatchObject({ pending: expect.stringContaining('bridge=vmbr77') });
});

it('a pending deletion takes effect at the stop: forced it destroys the disk, else the disk becomes unused', async () => {
  await start();
  await place.api.put(`${VM}/config`, { hotplug: '0' });
  await place.api.put(`${VM}/config`, { delete: 'scsi1' });
  await place.api.put(`${VM}/config`, { delete: 'scsi0', force: '1' });
  expect([await pending('scsi1'), await pending('scsi0')]).toMatchObject([{ delete: 1 }, { delete: 2 }]);
  await place.api.task('POST', `${VM}/status/stop`);
  expect(await config()).toMatchObject({ unused0: 'local-lvm:vm-301-disk-1' });
  expect(await volumes()).toEqual(['local-lvm:vm-301-disk-1']);
});

it('a disabled storage lists nothing and takes no disk', async () => {
  expect((await place.api.put('/storage/local-lvm', { disable: '1' })).status).toBe(200);
  expect((await place.api.get('/nodes/pve/storage/local-lvm/content')).reason).toBe("storage 'local-lvm' is disabled");
  expect((await place.api.put(`${VM}/config`, { scsi2: 'local-lvm:1' })).reason).toBe("storage 'local-lvm' is disabled");
  expect((await place.api.get('/nodes/pve/storage/local-lvm/status')).data).toMatchObject({ enabled: 0, active: 0, total: 0 });
  const resources = (await place.api.get('/cluster/resources?type=storage')).data as { storage: string }[];
  expect(resources.filter(({ storage }) => storage === 'local-lvm')).toEqual([]);
});

it('a volume that is not there counts as deleted', async () => {
  expect(await place.api.task('DELETE', '/nodes/pve/storage/local/content/local:iso%2Fgone.iso')).toBe('OK');
});

it('the agent answers as soon as a hibernated guest is awake again', async () => {
  const guests = (await place.api.get('/nodes/pve/qemu')).data as { vmid: number; status: string }[];
  const base = '/nodes/pve/qemu';
  const answers = async (vmid: number) => (await place.api.post(`${base}/${vmid}/agent/ping`)).status === 200;
  const running = guests.filter(({ status }) => status === 'running').map(({ vmid }) => vmid);
  let found: number | undefined;
  for (const vmid of running) if (await answers(vmid)) found ??= vmid;
  expect(found).toBeDefined();
  expect(await place.api.task('POST', `${base}/${found}/status/suspend`, { todisk: '1' })).toBe('OK');
  expect(await place.api.task('POST', `${base}/${found}/status/start`)).toBe('OK');
  expect(await answers(found as number)).toBe(true);
});
