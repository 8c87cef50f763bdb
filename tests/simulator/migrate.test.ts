import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSimulator } from './client.ts';

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
  expect(await place.api.task('POST', `${VM}/migrate`, { target: 'pve2' })).toContain("can't migrate VM which uses local devices: serial1");
});
