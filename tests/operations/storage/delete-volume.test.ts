import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_POLICY } from '../../../src/core/settings/policy.ts';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { openWorld as openState } from '../../../src/simulator/world.ts';
import { changeOperation } from '../../helpers/operations.ts';
import { planOf } from '../../helpers/plans.ts';
import { asRoot, tokenWith } from '../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const ISO = 'local:iso/debian-12.iso';
const ORPHAN = 'nas:777/vm-777-disk-0.qcow2';
const deletions = () =>
  world.cluster
    .mutations()
    .map(({ method, path }) => `${method} ${decodeURIComponent(path)}`)
    .filter((line) => line.startsWith('DELETE'));
const makeOrphan = () =>
  asRoot(world.cluster, 'POST', '/nodes/pve/storage/nas/content', {
    ...{ filename: 'vm-777-disk-0.qcow2', vmid: '777', size: '1G', format: 'qcow2' },
  });
const refusal = (args: object) => world.refused(world.call('delete_volume', args));
const approved = async (args: object) =>
  (await world.done('approve', { approval_id: await world.asks('delete_volume', args) })).result as JsonObject;
const set = (vmid: number, params: Record<string, string>, node = 'pve') =>
  asRoot(world.cluster, 'PUT', `/nodes/${node}/qemu/${vmid}/config`, params);
const backups = async () =>
  (
    await world.cluster
      .open()
      .get<{ volid: string; vmid: number; ctime: number }[]>('/nodes/pve/storage/nas/content', { content: 'backup' })
  )
    .filter(({ vmid }) => vmid === 102)
    .sort((a, b) => b.ctime - a.ctime);

describe('delete_volume', () => {
  it('deletes an orphaned disk after an approval, bound to its size and time, and reads that it is gone', async () => {
    await makeOrphan();
    const plan = await planOf(world, 'delete_volume', { volume: ORPHAN });
    expect(plan).toMatchObject({
      effect: 'destroy',
      undo: expect.stringContaining('impossible'),
      binds: { [`volume ${ORPHAN} on pve`]: { size: 2 ** 30, ctime: expect.any(Number) } },
      warnings: [expect.stringContaining('another cluster')],
    });
    expect(deletions()).toEqual([]);
    expect(await approved({ volume: ORPHAN })).toMatchObject({ volume: ORPHAN, node: 'pve', deleted: true });
    expect(deletions()).toEqual([`DELETE /nodes/pve/storage/nas/content/${ORPHAN}`]);
  });

  it('is sent once when its answer is lost, and found by its task', async () => {
    await makeOrphan();
    world.cluster.simulator.faults.add({ match: { method: 'DELETE' }, action: 'reset-after', times: 1 });
    expect(await approved({ volume: ORPHAN })).toMatchObject({ deleted: true });
    expect(deletions()).toHaveLength(1);
  });

  it('is not reported as deleted while the storage still lists it', async () => {
    await makeOrphan();
    const plan = await planOf(world, 'delete_volume', { volume: ORPHAN });
    const { report } = changeOperation('delete_volume');
    expect(await report(world.cluster.open(), { plan, args: { volume: ORPHAN }, steps: [] } as never)).toMatchObject({ deleted: false });
  });

  it('does not delete another volume that took the name after the approval was asked', async () => {
    await makeOrphan();
    const id = await world.asks('delete_volume', { volume: ORPHAN });
    await asRoot(world.cluster, 'DELETE', `/nodes/pve/storage/nas/content/${encodeURIComponent(ORPHAN)}`);
    await expect.poll(async () => (await refusal({ volume: ORPHAN })).code, { timeout: 20_000 }).toBe('storage_unavailable');
    await asRoot(world.cluster, 'POST', '/nodes/pve/storage/nas/content', {
      ...{ filename: 'vm-777-disk-0.qcow2', vmid: '777', size: '2G', format: 'qcow2' },
    });
    expect((await world.refused(world.call('approve', { approval_id: id }))).code).toBe('approval_stale');
    expect(deletions()).toHaveLength(1);
  });

  it('refuses an ISO that a guest names in a drive', async () => {
    await set(103, { ide2: `${ISO},media=cdrom` });
    expect(await refusal({ volume: ISO, node: 'pve' })).toMatchObject({
      code: 'not_possible',
      message: expect.stringContaining('legacy-erp (103): ide2'),
    });
    expect(deletions()).toEqual([]);
  });

  it('refuses an ISO whose path root wrote into an option', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'volume-'));
    const file = join(folder, 'state.db');
    const other = await openWorld({}, { file });
    try {
      const state = openState({ file, now: Date.now, timeScale: 0.01 });
      const guest = state.guest(103);
      if (!guest) throw new Error('no guest 103');
      const args = '-cdrom /mnt/pve/nas/template/iso/virtio-win.iso';
      state.saveGuest({ ...guest, config: { ...guest.config, args } }, 0);
      state.close();
      const error = await other.refused(other.call('delete_volume', { volume: 'nas:iso/virtio-win.iso' }));
      expect(error.message).toBe('nas:iso/virtio-win.iso is in use by legacy-erp (103): args.');
    } finally {
      await other.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('warns where the path of the volume is unknown, so that options with paths could not be compared', async () => {
    await makeOrphan();
    world.cluster.simulator.faults.add({ match: { path: '/content/nas' }, action: 'status', status: 500, reason: 'no format' });
    const { warnings } = await planOf(world, 'delete_volume', { volume: ORPHAN });
    expect(warnings[0]).toBe('its path is unknown, so options in which root wrote a path were not compared');
  });

  it('refuses an ISO that only a snapshot names', async () => {
    await set(104, { ide2: 'nas:iso/virtio-win.iso,media=cdrom' });
    await world.done('snapshot_vm', { vmid: 104, snapshot: 'with-cd' });
    await set(104, { delete: 'ide2' });
    const error = await refusal({ volume: 'nas:iso/virtio-win.iso' });
    expect(error.message).toBe('nas:iso/virtio-win.iso is in use by build1 (104): snapshot with-cd, ide2.');
  });

  it('refuses an ISO that a running guest keeps until its next start', async () => {
    await set(103, { ide2: `${ISO},media=cdrom` });
    await set(103, { delete: 'ide2' });
    await set(101, { ide2: `${ISO},media=cdrom` }, 'pve2');
    expect((await refusal({ volume: ISO, node: 'pve2' })).message).toContain('web2 (101): ide2');
  });

  it('refuses the disk of a guest, a detached one too, and the disk of a template', async () => {
    expect((await refusal({ volume: 'local-lvm:vm-105-disk-0' })).message).toBe('local-lvm:vm-105-disk-0 is in use by dev1 (105): scsi0.');
    await set(105, { delete: 'scsi0' });
    expect((await refusal({ volume: 'local-lvm:vm-105-disk-0' })).message).toContain('dev1 (105): unused0');
    expect((await refusal({ volume: 'nas:9001/base-9001-disk-0.qcow2' })).message).toContain('ubuntu-24-template (9001)');
  });

  it('refuses a disk that its guest owns and does not name', async () => {
    await asRoot(world.cluster, 'POST', '/nodes/pve/storage/nas/content', {
      ...{ filename: 'vm-105-disk-7.qcow2', vmid: '105', size: '1G', format: 'qcow2' },
    });
    expect(await refusal({ volume: 'nas:105/vm-105-disk-7.qcow2' })).toMatchObject({
      code: 'not_possible',
      message: expect.stringContaining('belongs to guest 105, which exists'),
      hint: expect.stringContaining('qm disk rescan --vmid 105'),
    });
  });

  it('asks for the node where a local storage has the volume on several', async () => {
    const volume = 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst';
    expect(await refusal({ volume })).toMatchObject({ code: 'ambiguous', details: { candidates: ['pve', 'pve2'] } });
    expect(await approved({ volume, node: 'pve2' })).toMatchObject({ node: 'pve2', deleted: true });
    expect(deletions()).toEqual([`DELETE /nodes/pve2/storage/local/content/${volume}`]);
  });

  it('tells a file from another one of the same name on another node', async () => {
    const download = (node: string, url: string) =>
      asRoot(world.cluster, 'POST', `/nodes/${node}/storage/local/download-url`, { url, content: 'iso', filename: 'x.iso' });
    await download('pve', 'https://cdimage.debian.org/debian-cd/current/amd64/iso-cd/debian-13.1.0-amd64-netinst.iso');
    await download('pve2', 'https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img');
    const there = async (node: string) =>
      (await world.cluster.open().get<{ volid: string }[]>(`/nodes/${node}/storage/local/content`)).some(
        ({ volid }) => volid === 'local:iso/x.iso',
      );
    await expect.poll(async () => (await there('pve')) && (await there('pve2')), { timeout: 20_000 }).toBe(true);
    await set(103, { ide2: 'local:iso/x.iso,media=cdrom' });
    expect((await refusal({ volume: 'local:iso/x.iso', node: 'pve' })).message).toContain('legacy-erp (103): ide2');
    expect(await planOf(world, 'delete_volume', { volume: 'local:iso/x.iso', node: 'pve2' })).toMatchObject({ node: 'pve2' });
  });

  it('never calls a volume an orphan without VM.Audit on all guests, and names the right', async () => {
    await makeOrphan();
    const some = { '/storage': ['Datastore.Allocate', 'Datastore.Audit'], '/vms/105': ['VM.Audit'] };
    const token = await tokenWith(world.cluster, some);
    const error = await world.refused(world.another({}, { token }).perform('delete_volume', { volume: ORPHAN }, agent));
    expect(error).toMatchObject({
      code: 'permission_denied',
      message: `Seeing whether a guest refers to ${ORPHAN} needs VM.Audit on /vms, which the API token lacks.`,
      details: { missing: [{ path: '/vms', privileges: ['VM.Audit'] }] },
    });
  });

  it('refuses where a guest cannot be read', async () => {
    await makeOrphan();
    world.cluster.simulator.faults.add({ match: { path: '/qemu/106/pending' }, action: 'status', status: 500, reason: 'no quorum' });
    expect(await refusal({ volume: ORPHAN })).toMatchObject({ code: 'not_possible', message: expect.stringContaining('Not read: 106') });
  });

  it('refuses a caller that is limited to some guests', async () => {
    await makeOrphan();
    const scoped = { ...agent, scope: { tags: ['dev'] } };
    const error = await world.refused(world.engine.perform('delete_volume', { volume: ISO, node: 'pve' }, scoped));
    expect(error).toMatchObject({ code: 'forbidden_by_policy', message: expect.stringContaining('limited to some guests') });
  });

  it('changes no guest, so a policy for guests that this server created refuses it', async () => {
    await makeOrphan();
    const created = world.another({ policy: { ...NO_POLICY, only: { tags: [], pools: [], created: true } } });
    const error = await world.refused(created.perform('delete_volume', { volume: ORPHAN }, agent));
    expect(error).toMatchObject({ code: 'forbidden_by_policy', message: 'The policy does not allow changes that are about no guest.' });
    const never = world.another({ policy: { ...NO_POLICY, rules: [{ match: { effect: ['destroy'] }, never: true }] } });
    const refused = await world.refused(never.perform('delete_volume', { volume: ORPHAN }, agent));
    expect(refused.message).toBe('The policy never allows delete_volume.');
  });

  it('names the right that would show a volume that it does not see', async () => {
    const token = await tokenWith(world.cluster, { '/storage': ['Datastore.Audit'], '/vms': ['VM.Audit'] });
    const error = await world.refused(world.another({}, { token }).perform('delete_volume', { volume: 'local-lvm:vm-105-disk-0' }, agent));
    expect(error).toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('Datastore.Allocate on /storage/local-lvm'),
    });
  });
});

describe('delete_volume of a backup', () => {
  it('deletes it as a part of its guest, and names the backups that are left', async () => {
    const [newest, older] = await backups();
    const plan = await planOf(world, 'delete_volume', { volume: newest?.volid });
    expect(plan).toMatchObject({ target: { vmid: 102 }, facts: { lastBackup: new Date((older?.ctime ?? 0) * 1000).toISOString() } });
    expect(plan.warnings[0]).toContain('1 other backup of guest 102');
    expect(await approved({ volume: newest?.volid })).toMatchObject({ deleted: true });
    const [last] = await backups();
    expect((await planOf(world, 'delete_volume', { volume: last?.volid })).warnings[0]).toBe(
      'this token sees no other backup of guest 102',
    );
  });

  it('refuses a protected one', async () => {
    const [newest] = await backups();
    await asRoot(world.cluster, 'PUT', `/nodes/pve/storage/nas/content/${encodeURIComponent(newest?.volid ?? '')}`, { protected: '1' });
    expect((await refusal({ volume: newest?.volid })).code).toBe('guest_protected');
  });

  it('is under the rules of the policy about its guest', async () => {
    const [newest] = await backups();
    const never = { match: { tag: ['db'] }, never: true };
    const other = world.another({ policy: { ...NO_POLICY, rules: [never] } });
    const error = await world.refused(other.perform('delete_volume', { volume: newest?.volid }, agent));
    expect(error).toMatchObject({ code: 'forbidden_by_policy', message: 'The policy never allows delete_volume for VMID 102.' });
  });
});
