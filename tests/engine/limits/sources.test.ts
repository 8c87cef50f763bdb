import { afterEach, describe, expect, it } from 'vitest';
import type { Policy, PolicyMatch } from '../../../src/core/settings/policy.ts';
import { renderApproval } from '../../../src/render/approval-text.ts';
import { approvalView } from '../../../src/render/approval-view.ts';
import { asRoot } from '../../helpers/rights.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const never = (match: PolicyMatch): { policy: Policy } => ({ policy: { rules: [{ match, never: true }], perHour: {} } });
const only = (over: object): { policy: Policy } => ({
  policy: { rules: [], perHour: {}, only: { tags: [], pools: [], created: false, ...over } },
});
const settings = { defaults: { node: 'pve', nodeIsExplicit: false, storage: 'nas' } };
type Call = readonly [operation: string, args: object];
const clone = (source_vmid: number, more: object = {}): Call => ['clone_template', { source_vmid, name: 'copy', pool: 'agents', ...more }];
const load = (image: string, more: object = {}): Call => ['create_vm', { name: 'copy', pool: 'agents', image, ...more }];
const DB_DISK = 'nas:102/vm-102-disk-0.qcow2';
/** No guest was made; the set-up of a test configures some. */
const nothingSent = () =>
  expect(world.cluster.mutations().filter(({ method, path }) => method === 'POST' && path.startsWith('/nodes/'))).toEqual([]);
const root = (method: string, path: string, params: Record<string, string>) => asRoot(world.cluster, method, path, params);
const plan = async (call: Call) => {
  const result = await world.call(...call, { dryRun: true });
  if (result.kind !== 'dry_run') throw new Error(`no plan but ${result.kind}`);
  return result.plan;
};

describe('a rule about the guest whose disks are copied', () => {
  it.each<[string, PolicyMatch, Call]>([
    ['VMID of the source', { vmid: [{ from: 106, to: 106 }] }, clone(106)],
    ['tag of the source, whatever tags the copy gets', { tag: ['prod'] }, clone(102, { tags: ['dev'] })],
    ['pool of the source', { pool: ['prod'] }, clone(102)],
    ['VMID of the owner of an image', { vmid: [{ from: 102, to: 102 }] }, load(DB_DISK)],
    ['tag of the owner of an image', { tag: ['prod'] }, load(DB_DISK, { tags: ['dev'] })],
    ['pool of the owner of an image', { pool: ['prod'] }, load(DB_DISK)],
    ['tag of a template', { tag: ['template'] }, clone(9000, { tags: ['dev'] })],
  ])('forbids the copy: %s', async (_what, match, call) => {
    world = await openWorld({ ...settings, ...never(match) });
    for (const options of [{ dryRun: true }, {}])
      expect(await world.refused(world.call(...call, options))).toMatchObject({
        code: 'forbidden_by_policy',
        message: expect.stringContaining('with the disks of'),
      });
    nothingSent();
  });

  it('counts for a disk of another guest that the source has, too', async () => {
    world = await openWorld({ ...settings, ...never({ tag: ['prod'] }) });
    await root('PUT', '/nodes/pve/qemu/104/config', { scsi5: DB_DISK });
    const refused = await world.refused(world.call(...clone(104)));
    expect(refused).toMatchObject({ code: 'forbidden_by_policy', message: expect.stringContaining('with the disks of 102.') });
    nothingSent();
  });

  it('raises the approval method of the copy, and the number of people who decide', async () => {
    world = await openWorld({
      ...settings,
      policy: { rules: [{ match: { tag: ['prod'] }, never: false, method: 'human', approvals: 2 }], perHour: {} },
    });
    expect(await world.call(...clone(102, { tags: ['dev'] }))).toMatchObject({ approval: { method: 'human', needed: 2 } });
    expect(await world.call(...clone(9000))).toMatchObject({ kind: 'done' });
  });

  it('where changes are limited to some guests, only those and templates are copied', async () => {
    world = await openWorld({ ...settings, ...only({ created: true }) });
    expect(await world.refused(world.call(...clone(104)))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining('104'),
    });
    expect(await world.refused(world.call(...load(DB_DISK)))).toMatchObject({ code: 'forbidden_by_policy' });
    nothingSent();
    const { vmid } = await world.done(...clone(9000));
    expect(await world.done('clone_template', { source_vmid: vmid, name: 'second' })).toMatchObject({ created: true });
  });
});

describe('a protected guest', () => {
  const auto = { ...settings, approval: { mode: 'auto' as const, ttlSeconds: 900, maxPendingPerPrincipal: 10 } };

  it('is copied, as a source or by its image, only after a human approved, who reads whose disks they are', async () => {
    world = await openWorld(auto);
    await root('PUT', '/nodes/pve/qemu/102/config', { protection: '1' });
    for (const call of [clone(106, { start: true }), load(DB_DISK)]) {
      const asked = await world.call(...call);
      if (asked.kind !== 'approval_required') throw new Error(`not asked but ${asked.kind}`);
      expect(asked.approval.method).toBe('human');
      const name = call[0] === 'clone_template' ? 'vault (106)' : 'db1 (102)';
      expect(renderApproval(asked.approval)).toContain(`Copies the disks of: ${name} on node pve, protected`);
      expect(approvalView(asked.approval).facts).toContainEqual(
        expect.objectContaining({ label: 'Copies the disks of', values: [`${name} on node pve, protected`], tone: 'bad' }),
      );
    }
    nothingSent();
  });

  it('is copied at once when it is a template: its flag guards it against deletion', async () => {
    world = await openWorld(auto);
    await root('PUT', '/nodes/pve/qemu/9000/config', { protection: '1' });
    expect(await world.call(...clone(9000))).toMatchObject({ kind: 'done' });
  });
});

describe('the plan of a copy', () => {
  it('warns of the data of another guest, and of a twin of one that runs', async () => {
    world = await openWorld(settings);
    expect((await plan(load(DB_DISK))).warnings).toContain('the new guest gets a copy of data of db1 (102)');
    const twin = 'web1 (100) runs: the new guest starts as its twin, with the same names, keys and addresses inside';
    expect((await plan(clone(100, { start: true }))).warnings).toContain(twin);
    expect((await plan(clone(100))).warnings).not.toContain(twin);
    expect((await plan(clone(104, { start: true }))).warnings.join()).not.toContain('twin');
  });

  it('is stale when the source is another guest, or is protected since', async () => {
    world = await openWorld({
      ...settings,
      policy: { rules: [{ match: { operation: ['clone_template', 'create_vm'] }, never: false, method: 'relay' }], perHour: {} },
    });
    const first = await world.asks(...clone(104));
    await root('PUT', '/nodes/pve/qemu/104/config', { protection: '1' });
    expect(await world.refused(world.call('approve', { approval_id: first }))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('source 104: protection was false, it is true'),
    });
    const second = await world.asks(...load(DB_DISK));
    await root('PUT', '/nodes/pve/qemu/102/config', { smbios1: 'uuid=11111111-2222-3333-4444-555555555555' });
    await root('POST', '/nodes/pve/qemu/102/status/stop', {});
    // The new identity counts once the guest has stopped: a decision before that would be one about the old guest.
    const api = world.cluster.open();
    const identity = async () =>
      (await api.get<{ key: string; value?: string }[]>('/nodes/pve/qemu/102/pending')).find(({ key }) => key === 'smbios1')?.value;
    await expect.poll(identity, { timeout: 25_000 }).toBe('uuid=11111111-2222-3333-4444-555555555555');
    expect(await world.refused(world.call('approve', { approval_id: second }))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('source 102: the guest behind this VMID is another one'),
    });
    expect(world.cluster.mutations().filter(({ path }) => path === '/nodes/pve/qemu' || path.endsWith('/clone'))).toEqual([]);
  });
});

describe('the volumes of a guest that is gone', () => {
  it('fit a rule by its VMID, and no rule by a tag or pool that it can no longer have', async () => {
    world = await openWorld({ ...settings, ...never({ vmid: [{ from: 150, to: 150 }] }) });
    await root('POST', '/nodes/pve/storage/nas/content', { vmid: '150', filename: 'vm-150-disk-0.qcow2', size: '1G', format: 'qcow2' });
    const orphan = load('nas:150/vm-150-disk-0.qcow2');
    expect(await world.refused(world.call(...orphan))).toMatchObject({ code: 'forbidden_by_policy' });
    const other = world.another({ ...settings, ...never({ tag: ['prod'] }) });
    const result = await other.perform(...orphan, agent, { dryRun: true });
    expect(result).toMatchObject({ plan: { warnings: expect.arrayContaining(['guest 150 is deleted, only its volumes remain']) } });
  });
});
