import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_POLICY } from '../../../src/core/settings/policy.ts';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { isBackedUp } from '../../../src/operations/backup/lib/inside.ts';
import { openWorld as openState } from '../../../src/simulator/world.ts';
import { planOf } from '../../helpers/plans.ts';
import { asRoot, tokenWith } from '../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';
import { clientOf } from '../../simulator/client.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const sent = () => world.cluster.mutations().map(({ method, path }) => `${method} ${path}`);
const lastParams = () => world.cluster.mutations().at(-1)?.params;
const list = async (args: object = {}) => (await world.done('list_backups', args)).backups as JsonObject[];
/** The distinct states of coverage, as a token with these privileges sees them. */
const coverageFor = async (name: string, rights: Record<string, string[]>) => {
  const other = world.another({}, { token: await tokenWith(world.cluster, rights, name) });
  const result = await other.perform('list_backups', { coverage: true }, agent);
  if (result.kind !== 'done') throw new Error(result.kind);
  const rows = result.output.backups as JsonObject[];
  expect(rows.length).toBeGreaterThan(0);
  return { states: [...new Set(rows.map(({ state }) => state))], notice: result.output.notice };
};
const approved = async (operation: string, args: object) =>
  (await world.done('approve', { approval_id: await world.asks(operation, args) })).result as JsonObject;

describe('backup_vm', () => {
  it('makes a new volume, prunes nothing, and names it', async () => {
    const plan = await planOf(world, 'backup_vm', { vmid: 104, storage: 'local' });
    expect(plan).toMatchObject({ effect: 'change', summary: 'Back up build1 (104) to local (snapshot)' });
    const done = await world.done('backup_vm', { vmid: 104, storage: 'local', notes: 'before the move' });
    expect(sent()).toEqual(['POST /nodes/pve/vzdump']);
    expect(lastParams()).toMatchObject({
      vmid: '104',
      storage: 'local',
      mode: 'snapshot',
      remove: '0',
      'notes-template': 'before the move',
    });
    const [made] = done.backups as JsonObject[];
    expect(made).toMatchObject({ vmid: 104, volume: expect.stringMatching(/^local:backup\/vzdump-qemu-104-/) });
    expect((await list({ name: 'build1' }))[0]).toMatchObject({
      guest: 'build1',
      volume: made?.volume,
      age_days: 0,
      notes: 'before the move',
    });
  });

  it('needs an approval to stop a running guest, and refuses that for one under HA', async () => {
    expect(await planOf(world, 'backup_vm', { vmid: 101, storage: 'local', mode: 'stop' })).toMatchObject({
      effect: 'disrupt',
      raisedBecause: expect.stringContaining('shut down and started again'),
    });
    const error = await world.refused(world.call('backup_vm', { name: 'db1', storage: 'local', mode: 'stop' }));
    expect(error).toMatchObject({ code: 'not_possible', hint: 'Use mode snapshot.' });
    expect(sent()).toEqual([]);
  });

  it('backs up several guests, each with a request and a volume of its own', async () => {
    const plan = await planOf(world, 'backup_vm', { vmids: [104, 200], storage: 'local' });
    // Proxmox runs one vzdump of a node after another.
    const turns = plan.steps.flatMap((step) => (step.kind === 'request' ? [step.atMost] : []));
    expect(turns).toEqual([1, 2].map(() => ({ 'backups of pve': 1, 'disks to local': 2 })));
    const { backups } = await world.done('backup_vm', { vmids: [104, 200], storage: 'local' });
    expect(sent()).toEqual(['POST /nodes/pve/vzdump', 'POST /nodes/pve/vzdump']);
    expect(backups).toMatchObject([
      { vmid: 104, volume: expect.stringContaining('vzdump-qemu-104') },
      { vmid: 200, volume: expect.stringContaining('vzdump-lxc-200') },
    ]);
  });

  it('asks for a storage where several take backups', async () => {
    const error = await world.refused(world.call('backup_vm', { vmid: 104 }));
    expect(error).toMatchObject({
      code: 'ambiguous',
      details: { candidates: ['local (90 GiB free)', 'nas (1707 GiB free)', 'pbs (3186 GiB free)'] },
    });
  });
});

describe('list_backups', () => {
  it('says which guests have none, an old one, or a good one', async () => {
    await world.done('backup_vm', { vmid: 104, storage: 'local' });
    const rows = await list({ coverage: true });
    expect(rows.find(({ vmid }) => vmid === 104)).toMatchObject({ state: 'ok', age_days: 0, storage: 'local' });
    expect(rows.find(({ vmid }) => vmid === 107)).toMatchObject({ state: 'none' });
    const states = rows.map(({ state }) => state);
    expect(states.indexOf('ok')).toBeGreaterThan(states.lastIndexOf('none'));
  });

  it('never says none to a token that would not see a backup', async () => {
    const { states, notice } = await coverageFor('blind', {
      '/vms': ['VM.Audit'],
      '/storage': ['Datastore.Audit'],
      '/nodes': ['Sys.Audit'],
    });
    expect(states).toEqual(['unknown']);
    expect(notice).toBe(
      'backups on local, nas, pbs are invisible to this token (Datastore.AllocateSpace on the storage and VM.Backup on the guest show them)',
    );
  });

  it('never says none while one storage of several would hide it', async () => {
    const guests = { '/vms': ['VM.Audit', 'VM.Backup'], '/nodes': ['Sys.Audit'], '/storage': ['Datastore.Audit'] };
    const part = await coverageFor('part', { ...guests, '/storage/local': ['Datastore.AllocateSpace'] });
    expect(part.states).toEqual(['unknown']);
    expect(part.notice).toMatch(/^backups on nas, pbs are invisible to this token/);
    const owner = await coverageFor('owner', { ...guests, '/storage/local': ['Datastore.Audit', 'Datastore.Allocate'] });
    expect(owner.states).toEqual(['unknown']);
    const all = await coverageFor('all', { ...guests, '/storage': ['Datastore.Audit', 'Datastore.AllocateSpace'] });
    expect(all).toEqual({ states: ['none', 'failed verification', 'old', 'ok'], notice: undefined });
  });

  it('never says none while a storage for backups could not be read', async () => {
    const read = async () => {
      const { backups, notice } = await world.done('list_backups', { coverage: true });
      return { state: (backups as JsonObject[]).find(({ vmid }) => vmid === 107)?.state, notice };
    };
    expect(await read()).toEqual({ state: 'none', notice: undefined });
    await asRoot(world.cluster, 'PUT', '/storage/nas', { disable: '1' });
    expect(await read()).toEqual({ state: 'unknown', notice: 'storage nas was not read (offline)' });
  });
});

describe('restore_backup', () => {
  beforeEach(async () => {
    await world.done('backup_vm', { vmid: 104, storage: 'local' });
  });

  it('makes a new, stopped guest with new MAC addresses from the newest backup', async () => {
    const plan = await planOf(world, 'restore_backup', { source_name: 'build1', vmid: 150 });
    expect(plan).toMatchObject({ effect: 'change', demand: { newGuests: 1, vmid: 150 }, undo: 'delete_vm {"vmid": 150}' });
    const done = await world.done('restore_backup', { source_name: 'build1', vmid: 150 });
    expect(done).toMatchObject({ vmid: 150, name: 'build1', status: 'stopped', created: true });
    expect(lastParams()).toMatchObject({ vmid: '150', unique: '1', archive: expect.stringContaining('vzdump-qemu-104') });
    const networks = async (vmid: number) => ((await world.done('get_vm', { vmid })).networks as JsonObject[]).map(({ mac }) => mac);
    expect(await networks(150)).not.toEqual(await networks(104));
  });

  it('is not proven by an empty guest where the backup has no name', async () => {
    const client = clientOf(world.cluster.simulator);
    await client.task('POST', '/nodes/pve/qemu', { vmid: '160', memory: '768', ostype: 'l26' });
    await world.done('backup_vm', { vmid: 160, storage: 'local' });
    const plan = await planOf(world, 'restore_backup', { source_vmid: 160, vmid: 161 });
    // A restore that failed may leave a guest without a name and without anything else.
    expect(plan.expected).toMatchObject([{ vmid: 161, has: { name: null, lock: null, ostype: 'l26' } }]);
    client.close();
  });

  it('gives the new guest another name, and warns where its old one is taken', async () => {
    expect((await planOf(world, 'restore_backup', { source_vmid: 104 })).warnings).toContain(
      'guests called build1 already: 104. Give name for another one',
    );
    const named = { source_vmid: 104, name: 'build1-check' };
    expect((await planOf(world, 'restore_backup', named)).warnings.join()).not.toContain('called');
    const done = await world.done('restore_backup', named);
    expect(done).toMatchObject({ name: 'build1-check', created: true });
    expect(lastParams()).toMatchObject({ name: 'build1-check' });
    expect(await world.done('get_vm', { name: 'build1-check' })).toMatchObject({ vmid: done.vmid });
  });

  it('gives a container its host name', async () => {
    await world.done('backup_vm', { vmid: 200, storage: 'local' });
    const done = await world.done('restore_backup', { source_vmid: 200, name: 'dns2' });
    expect(lastParams()).toMatchObject({ hostname: 'dns2', restore: '1' });
    expect(await world.done('get_vm', { name: 'dns2' })).toMatchObject({ vmid: done.vmid });
  });

  it('puts a container only where disks of containers go, and a VM where disk images go', async () => {
    await world.done('backup_vm', { vmid: 200, storage: 'local' });
    await asRoot(world.cluster, 'PUT', '/storage/nas', { content: 'images,iso,backup' });
    const onNas = { source_vmid: 200, storage: 'nas', name: 'dns2' };
    const error = await world.refused(world.call('restore_backup', onNas));
    expect(error).toMatchObject({ code: 'storage_unavailable', message: 'Storage nas on pve does not take disks of containers.' });
    await asRoot(world.cluster, 'PUT', '/storage/nas', { content: 'rootdir,iso,backup' });
    expect(await world.done('restore_backup', onNas)).toMatchObject({ name: 'dns2', created: true });
    // build1 was on nas, which takes no disk image any more.
    expect((await planOf(world, 'restore_backup', { source_vmid: 104, vmid: 150 })).choices).toContain(
      'storage: local-lvm (PROXMOX_STORAGE)',
    );
  });

  it('refuses a new guest for which the storage of its backup has no space', async () => {
    await asRoot(world.cluster, 'PUT', '/nodes/pve/qemu/104/resize', { disk: 'scsi0', size: '1900G' });
    await world.done('backup_vm', { vmid: 104, storage: 'local' });
    const limits = { maxCpu: 16, maxRamMib: 65_536, maxDiskGib: 9_000, maxVms: 50, scope: { kind: 'visible' as const } };
    const wide = world.another({ limits });
    const error = await world.refused(wide.perform('restore_backup', { source_vmid: 104, name: 'large' }, agent));
    expect(error).toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringMatching(/^Storage nas on pve has .* 1900 GiB are needed/),
    });
    // The disk under an overwrite is freed first.
    const over = await wide.perform('restore_backup', { source_vmid: 104, overwrite: true }, agent);
    expect(over.kind).toBe('approval_required');
  });

  it('makes the new guest on the node of the original, whose storages it knows', async () => {
    await world.done('backup_vm', { vmid: 107, storage: 'nas' });
    const plan = await planOf(world, 'restore_backup', { source_vmid: 107, vmid: 150 });
    expect(plan).toMatchObject({ node: 'pve2', choices: expect.arrayContaining(['node: pve2 (that of guest 107)']) });
    await world.done('restore_backup', { source_vmid: 107, vmid: 150 });
    expect(sent().at(-1)).toBe('POST /nodes/pve2/qemu');
  });

  it('makes the new guest on a node that has the storage which the caller names', async () => {
    await world.done('backup_vm', { vmid: 107, storage: 'nas' });
    await asRoot(world.cluster, 'POST', '/storage', { storage: 'scratch', type: 'dir', path: '/scratch', content: 'images' });
    await asRoot(world.cluster, 'PUT', '/storage/scratch', { nodes: 'pve' });
    const args = { source_vmid: 107, vmid: 150, storage: 'scratch' };
    const plan = await planOf(world, 'restore_backup', args);
    expect(plan).toMatchObject({ node: 'pve', choices: expect.arrayContaining(['node: pve (has scratch)']) });
    await world.done('restore_backup', args);
    expect(sent().at(-1)).toBe('POST /nodes/pve/qemu');
  });

  it('refuses a VMID that is taken, and names its guest', async () => {
    const error = await world.refused(world.call('restore_backup', { source_vmid: 104, vmid: 105 }));
    expect(error).toMatchObject({ code: 'conflict', message: 'VMID 105 is taken by dev1.', hint: expect.stringContaining('overwrite') });
    expect(world.cluster.mutations().filter(({ path }) => path === '/nodes/pve/qemu')).toEqual([]);
  });

  it('makes one guest when a call with a name is made twice', async () => {
    await world.done('restore_backup', { source_vmid: 104, name: 'twice' });
    expect((await world.refused(world.call('restore_backup', { source_vmid: 104, name: 'TWICE' }))).code).toBe('conflict');
    const over = world.call('restore_backup', { source_vmid: 104, name: 'other', overwrite: true });
    expect(await world.refused(over)).toMatchObject({ code: 'invalid_arguments' });
  });

  it('counts against the quota like any new guest', async () => {
    const tight = world.another({ limits: { maxCpu: 16, maxRamMib: 512, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } } });
    const error = await world.refused(tight.perform('restore_backup', { source_vmid: 104 }, agent));
    expect(error).toMatchObject({ code: 'quota_exceeded', message: expect.stringContaining('PROXMOX_MAX_RAM_MB') });
  });

  it('counts a container without a limit of cores with all CPUs of its node', async () => {
    await asRoot(world.cluster, 'PUT', '/nodes/pve/lxc/200/config', { delete: 'cores' });
    await world.done('backup_vm', { vmid: 200, storage: 'local' });
    const plan = await planOf(world, 'restore_backup', { source_vmid: 200, vmid: 150 });
    const cpu = plan.demand?.after.cpu;
    expect(cpu).toBe(16);
    const tight = world.another({ limits: { maxCpu: 8, maxRamMib: 65_536, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } } });
    const error = await world.refused(tight.perform('restore_backup', { source_vmid: 200 }, agent));
    expect(error).toMatchObject({ code: 'quota_exceeded', message: expect.stringContaining('PROXMOX_MAX_CPU') });
  });

  it('counts the CPUs of the node on which the container will be', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'restore-'));
    const file = join(folder, 'state.db');
    const other = await openWorld({}, { file });
    try {
      await asRoot(other.cluster, 'PUT', '/nodes/pve2/lxc/201/config', { delete: 'cores' });
      await other.done('backup_vm', { vmid: 201, storage: 'nas' });
      const state = openState({ file, now: Date.now, timeScale: 0.01 });
      const node = state.get('node', 'pve2');
      if (!node) throw new Error('no node pve2');
      state.put('node', 'pve2', { ...node, cpus: 6 });
      state.close();
      expect(await planOf(other, 'restore_backup', { source_vmid: 201, vmid: 150 })).toMatchObject({
        node: 'pve2',
        demand: { after: { cpu: 6 } },
      });
    } finally {
      await other.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('needs an approval to replace a guest, and names what is lost', async () => {
    const plan = await planOf(world, 'restore_backup', { source_vmid: 104, overwrite: true });
    expect(plan.effect).toBe('destroy');
    expect(plan.summary).toMatch(/^Restore the backup of guest 104 of .* over build1 \(104\), whose present disks are destroyed$/);
    expect(plan.warnings).toEqual([expect.stringMatching(/^lost: .*vm-104-disk-0/), 'lost: its snapshots clean, before-upgrade']);
    expect(await approved('restore_backup', { source_vmid: 104, overwrite: true })).toMatchObject({
      ...{ vmid: 104, status: 'stopped', created: false, replaced: true },
    });
    expect(lastParams()).toMatchObject({ vmid: '104', force: '1' });
    expect((await world.done('get_vm', { vmid: 104 })).snapshots).toBe(0);
  });

  it('tells the disks that an overwrite destroys from those that it detaches', async () => {
    await asRoot(world.cluster, 'POST', '/nodes/pve/qemu/104/config', { scsi1: 'nas:2' });
    const over = { source_vmid: 104, overwrite: true };
    const plan = await planOf(world, 'restore_backup', over);
    expect(plan.summary).toMatch(/over build1 \(104\), which destroys nas:104\/vm-104-disk-0\.qcow2 \(16 GiB\)$/);
    expect(plan.warnings).toContain('not in the backup, so detached with their data: nas:104/vm-104-disk-1.raw (2 GiB)');
    await approved('restore_backup', over);
    const { disks } = await world.done('get_vm', { vmid: 104 });
    expect(disks).toContainEqual(expect.objectContaining({ slot: 'unused0', volume: 'nas:104/vm-104-disk-1.raw' }));
  });

  it('leaves a template alone while linked clones depend on it, and says that a backup of one becomes one', async () => {
    await world.done('backup_vm', { vmid: 9000, storage: 'local' });
    const says = 'the backup is of a template, so the new guest is one and never starts';
    expect((await planOf(world, 'restore_backup', { source_vmid: 9000, vmid: 150 })).warnings).toContain(says);
    const over = { source_vmid: 9000, overwrite: true };
    expect((await planOf(world, 'restore_backup', over)).effect).toBe('destroy');
    const { vmid } = await world.done('clone_template', { source_vmid: 9000, name: 'linked' });
    expect(await world.refused(world.call('restore_backup', over))).toMatchObject({
      code: 'guest_state',
      message: `debian-12-template (9000) is the base of linked clones: ${vmid}.`,
    });
  });

  it('refuses to replace a running guest', async () => {
    await world.done('backup_vm', { vmid: 101, storage: 'local' });
    expect((await world.refused(world.call('restore_backup', { source_vmid: 101, overwrite: true }))).code).toBe('guest_running');
  });

  it('says where it looked for a backup that is not there', async () => {
    const error = await world.refused(world.call('restore_backup', { source_vmid: 107 }));
    expect(error).toMatchObject({
      code: 'not_possible',
      message: 'No backup of guest 107 is visible.',
      hint: expect.stringContaining('pve/local'),
    });
    expect((await world.refused(world.call('restore_backup', { volume: 'nas:backup/none' }))).message).toBe(
      'No backup nas:backup/none is visible.',
    );
    expect((await world.refused(world.call('restore_backup', {}))).code).toBe('invalid_arguments');
  });

  it('counts as a copy of the guest for every rule of the policy', async () => {
    await world.done('backup_vm', { vmid: 102, storage: 'local' });
    const rules = [{ match: { tag: ['prod'], operation: ['restore_backup'] }, never: true }];
    const strict = world.another({ policy: { ...NO_POLICY, rules } });
    const error = await world.refused(strict.perform('restore_backup', { source_vmid: 102 }, agent));
    expect(error.code).toBe('forbidden_by_policy');
    expect((await planOf(world, 'restore_backup', { source_vmid: 102, vmid: 150 })).sources).toMatchObject([{ vmid: 102 }]);
  });
});

it('the disks that a backup leaves out follow the rules of each kind of guest', () => {
  expect(isBackedUp('qemu', { slot: 'scsi1' }, 'local-lvm:vm-1-disk-1,size=1G')).toBe(true);
  expect(isBackedUp('qemu', { slot: 'scsi1' }, 'local-lvm:vm-1-disk-1,backup=0,size=1G')).toBe(false);
  expect(isBackedUp('lxc', { slot: 'rootfs' }, 'local-lvm:vm-1-disk-0,size=1G')).toBe(true);
  expect(isBackedUp('lxc', { slot: 'mp0' }, 'local-lvm:vm-1-disk-1,mp=/data,size=1G')).toBe(false);
  expect(isBackedUp('lxc', { slot: 'mp0' }, 'local-lvm:vm-1-disk-1,mp=/data,backup=1')).toBe(true);
});
