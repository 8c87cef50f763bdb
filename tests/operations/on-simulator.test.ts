import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { Settings } from '../../src/core/settings/settings.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import { SEED_TOKENS } from '../../src/simulator/seed/tokens.ts';
import { linesOf, refusalOf, UNLIMITED } from '../helpers/described/index.ts';
import { withEngine } from '../helpers/with-engine.ts';
import { agent as caller } from '../helpers/world.ts';

const world = withEngine();
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';
const IMAGE = 'local:import/debian-12-genericcloud-amd64.qcow2';

/** An agent on a server with this token, whose human approves what is asked. */
function as(token: { id: string; secret: string }, defaults: Partial<Settings['defaults']> = {}) {
  const { cluster } = world();
  const engine = world().another({
    connection: cluster.connection(token),
    defaults: { node: 'pve', nodeIsExplicit: false, ...defaults },
    limits: UNLIMITED,
  });
  const call = (name: string, args: JsonObject, options = {}) => engine.perform(name, args, caller, { wait: 'end', ...options });
  const done = async (name: string, args: JsonObject): Promise<JsonObject> => {
    const result = await call(name, args);
    if (result.kind === 'approval_required') {
      const { result: output, ...rest } = await done('approve', { approval_id: result.approval.id });
      return (output ?? rest) as JsonObject;
    }
    return result.kind === 'done' ? result.output : expect.unreachable(result.kind);
  };
  return {
    api: cluster.open({ token }),
    read: done,
    change: done,
    async plan(name: string, args: JsonObject): Promise<Plan> {
      const result = await call(name, args, { dryRun: true });
      return result.kind === 'dry_run' && result.plan ? result.plan : expect.unreachable(result.kind);
    },
  };
}

describe('with exactly the least-privilege token of a pool', () => {
  const agent = () => as(SEED_TOKENS.leastPrivilege, { pool: 'agents' });

  test('from an image to a running VM, changed, stopped and gone', async () => {
    const { change, read, plan } = agent();
    const made = await change('create_vm', {
      name: 'shop1',
      image: IMAGE,
      storage: 'local-lvm',
      disk_gb: 10,
      tags: ['shop', 'dev'],
      description: 'made by a test',
      cloud_init: { user: 'ops', sshkeys: KEY },
      start_on_create: true,
    });
    expect(made).toMatchObject({ created: true, name: 'shop1', node: 'pve', status: 'running' });
    const vmid = Number(made.vmid);
    // At once, while the list of the cluster may still show it without a name.
    expect(await change('create_vm', { name: 'SHOP1', cores: 4 })).toMatchObject({
      existing: true,
      vmid,
      differences: ['cores: requested 4, has 2'],
    });
    expect(await read('get_vm', { vmid })).toMatchObject({
      name: 'shop1',
      status: 'running',
      tags: ['dev', 'shop'],
      config: { cores: 2, memory_mb: 2048, cloud_init: { user: 'ops', ipconfig0: 'ip=dhcp', ssh_keys: 1 } },
      disks: expect.arrayContaining([expect.objectContaining({ slot: 'scsi0', size_gb: 10 })]),
    });
    expect(await change('set_resources', { vmid, cores: 1, memory: 3072 })).toMatchObject({
      pending: { cores: expect.stringContaining('2 → 1'), memory: expect.stringContaining('2048 → 3072') },
    });
    expect((await refusalOf(plan('delete_vm', { vmid }))).code).toBe('guest_running');
    expect(await change('stop_vm', { vmid, timeout: 60 })).toMatchObject({ status: 'stopped' });
    expect(await change('stop_vm', { vmid })).toMatchObject({ already: true });
    expect((await read('get_vm', { vmid })).config).toMatchObject({ cores: 1, memory_mb: 3072 });
    expect(await change('start_vm', { vmid })).toMatchObject({ status: 'running' });
    expect(await change('stop_vm', { vmid, force: true })).toMatchObject({ status: 'stopped' });
    const gone = await change('delete_vm', { vmid });
    expect(gone).toMatchObject({
      deleted: true,
      volumes: expect.arrayContaining([expect.stringContaining('disk-0')]),
      unchecked: expect.stringContaining('local-lvm'),
    });
    expect((await refusalOf(read('get_vm', { vmid }))).code).toBe('guest_not_found');
  });

  test('an ISO install', async () => {
    const made = await agent().change('create_vm', { name: 'installer', iso: 'local:iso/debian-12.iso', storage: 'nas', bios: 'ovmf' });
    expect(made).toMatchObject({ created: true, status: 'stopped' });
  });

  test('a linked clone of a template outside the pool, configured, grown and started', async () => {
    const { change, read } = agent();
    const made = await change('clone_template', {
      source_vmid: 9000,
      name: 'web9',
      cores: 2,
      memory: 1024,
      disk_gb: 8,
      tags: ['web'],
      start: true,
      cloud_init: { user: 'ops', sshkeys: KEY },
    });
    expect(made).toMatchObject({ created: true, status: 'running' });
    const vm = await read('get_vm', { vmid: Number(made.vmid) });
    expect(vm).toMatchObject({ tags: ['web'], config: { cores: 2, memory_mb: 1024 } });
    expect(vm.disks).toContainEqual(expect.objectContaining({ slot: 'scsi0', size_gb: 8 }));
  });

  test('a full clone onto another storage', async () => {
    const { change, read } = agent();
    const made = await change('clone_template', { source_vmid: 9000, name: 'web9', storage: 'nas' });
    expect((await read('get_vm', { vmid: Number(made.vmid) })).disks).toContainEqual(
      expect.objectContaining({ slot: 'scsi0', volume: expect.stringMatching(/^nas:.*qcow2$/) }),
    );
  });

  test('the rest of the cluster does not exist for it', async () => {
    const { read, plan } = agent();
    const list = (await read('list_vms', {})) as { vms: { vmid: number }[] };
    expect(list.vms.map((g) => g.vmid)).toEqual([104, 105, 9000]);
    expect((await refusalOf(plan('stop_vm', { vmid: 100 }))).code).toBe('guest_not_found');
    expect((await refusalOf(plan('create_vm', { name: 'x1', vmid: 100, storage: 'nas' }))).message).toContain('cannot see');
  });
});

describe('with full rights', () => {
  const root = () => as(SEED_TOKENS.full);

  test('the remains of a deleted guest can be checked', async () => {
    const gone = await root().change('delete_vm', { vmid: 104 });
    expect(gone).toMatchObject({ deleted: true });
    expect(gone).not.toHaveProperty('unchecked');
    expect(gone).not.toHaveProperty('orphans');
  });

  test('a backup first', async () => {
    const { change, api } = root();
    expect(await change('delete_vm', { vmid: 105, backup_storage: 'nas' })).toMatchObject({ deleted: true });
    expect(await api.get('/nodes/pve/storage/nas/content', { content: 'backup' })).toContainEqual(expect.objectContaining({ vmid: 105 }));
  });

  test('a clone of local disks on another node is moved there', async () => {
    const { change, read } = root();
    const made = await change('clone_template', { source_vmid: 9000, name: 'far1', target_node: 'pve2', memory: 768 });
    expect(made).toMatchObject({ node: 'pve2' });
    expect(await read('get_vm', { vmid: Number(made.vmid) })).toMatchObject({ node: 'pve2', config: { memory_mb: 768 } });
  });
  test('a clone of shared disks is made there', async () => {
    const { change, plan } = root();
    const args = { source_vmid: 9001, name: 'far2', target_node: 'pve2', start: true };
    expect(linesOf(await plan('clone_template', args))).toHaveLength(2);
    expect(await change('clone_template', args)).toMatchObject({ node: 'pve2', status: 'running' });
  });

  test('a template whose clone stands on it stays', async () => {
    const { change, plan } = root();
    const made = await change('clone_template', { source_vmid: 9000, name: 'child' });
    const error = await refusalOf(plan('delete_vm', { vmid: 9000 }));
    expect(error.code).toBe('guest_state');
    expect(error.details).toEqual({ clones: [made.vmid] });
  });

  test('containers: shown, changed at once, stopped, started, deleted', async () => {
    const { change, read } = root();
    expect(await read('get_vm', { vmid: 200 })).toMatchObject({ type: 'container', status: 'running', ip_addresses: ['10.77.0.200'] });
    expect(await change('set_resources', { vmid: 200, memory: 1024 })).toMatchObject({ applied: { memory: '1024' } });
    expect(await change('stop_vm', { vmid: 200 })).toMatchObject({ status: 'stopped' });
    expect(await change('start_vm', { vmid: 200 })).toMatchObject({ status: 'running' });
    expect(await change('stop_vm', { vmid: 200, force: true })).toMatchObject({ status: 'stopped' });
    expect(await change('delete_vm', { vmid: 200 })).toMatchObject({ deleted: true });
  });

  test('a guest in HA: its task ends early, the plan waits for the state', async () => {
    const { change } = root();
    expect(await change('stop_vm', { vmid: 102 })).toMatchObject({ status: 'stopped' });
    expect(await change('start_vm', { vmid: 102 })).toMatchObject({ status: 'running' });
  });

  test('a guest that ignores the power button still runs, and the power can be cut', async () => {
    const { change, read } = root();
    await expect(change('stop_vm', { vmid: 103, timeout: 5 })).rejects.toThrow(/got timeout/);
    expect(await read('get_vm', { vmid: 103 })).toMatchObject({ status: 'running' });
    expect(await change('stop_vm', { vmid: 103, timeout: 5, force: true })).toMatchObject({ status: 'stopped' });
  });

  test('protected guests are refused before anything is sent', async () => {
    const { change, plan } = root();
    await change('stop_vm', { vmid: 106 });
    const before = world().cluster.mutations().length;
    expect((await refusalOf(plan('delete_vm', { vmid: 106 }))).code).toBe('guest_protected');
    expect(world().cluster.mutations()).toHaveLength(before);
  });
});

test('reading is cheap: one request for the list, then two for a stopped VM', async () => {
  const { read } = as(SEED_TOKENS.full);
  const count = async (work: () => Promise<unknown>) => {
    const before = world().cluster.requests.length;
    await work();
    return world().cluster.requests.length - before;
  };
  expect(await count(() => read('list_vms', {}))).toBe(1);
  expect(await count(() => read('get_vm', { vmid: 105 }))).toBe(2);
});

test('a token without rights learns that its empty list proves nothing', async () => {
  expect((await as(SEED_TOKENS.noAcl).read('list_vms', {})).notice).toContain('pveum acl modify');
});

test('a clone from shared storage onto one that only the other node has ends with its disks there', async () => {
  const { change, api } = as(world().cluster.simulator.token);
  const small = await change('create_vm', { name: 'near1', disk_gb: 1, storage: 'nas' });
  const made = await change('clone_template', { source_vmid: Number(small.vmid), name: 'far1', target_node: 'pve2', storage: 'tank' });
  const config = await api.get<Record<string, string>>(`/nodes/pve2/qemu/${made.vmid}/config`);
  expect(config.scsi0).toMatch(/^tank:/);
  expect(Object.keys(config).filter((key) => key.startsWith('unused'))).toEqual([]);
});
