import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import type { Policy } from '../../../src/core/settings/policy.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
afterEach(async () => {
  await world.close();
});

const policy = (over: Partial<Policy>): { policy: Policy } => ({ policy: { rules: [], perHour: {}, ...over } });
const asked = (operation: string) => ({ match: { operation: [operation] }, never: false, method: 'relay' as const });
const limits = (over: object) => ({
  limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' as const }, ...over },
});
async function make(name: string, more: object = {}): Promise<number> {
  return (await world.done('create_vm', { name, disk_gb: 1, ...more })).vmid as number;
}
const approve = (id: string) => world.done('approve', { approval_id: id });

describe('a create that needs an approval', () => {
  it('makes the guest that was approved, under the VMID that was shown', async () => {
    world = await openWorld(policy({ rules: [asked('create_vm')] }));
    const shown = await world.call('create_vm', { name: 'asked', disk_gb: 1 });
    const id = shown.kind === 'approval_required' ? shown.approval.id : '';
    const vmid = shown.kind === 'approval_required' ? shown.approval.plan.demand?.vmid : 0;
    expect(await approve(id)).toMatchObject({ status: 'succeeded', result: { created: true, vmid } });
  });

  it('counts at the decision too: approvals in a row exceed no limit', async () => {
    world = await openWorld();
    const exist = ((await world.done('list_vms', {})).vms as { template?: boolean }[]).filter((vm) => !vm.template).length;
    const strict = { ...policy({ rules: [asked('create_vm')] }), ...limits({ maxVms: exist + 1 }) };
    const engine = world.another(strict);
    const ids: string[] = [];
    // Each under a VMID of its own: the second one is not stale, it is too many.
    for (const [name, vmid] of [
      ['first', 301],
      ['second', 302],
    ] as const) {
      const result = await engine.perform('create_vm', { name, vmid, disk_gb: 1 }, agent, { wait: 'end' });
      ids.push(result.kind === 'approval_required' ? result.approval.id : '');
    }
    await engine.perform('approve', { approval_id: ids[0] }, agent, { wait: 'end' });
    const second = await world.refused(engine.perform('approve', { approval_id: ids[1] }, agent, { wait: 'end' }));
    expect(second).toMatchObject({ code: 'quota_exceeded' });
    expect(world.cluster.mutations().filter((r) => r.method === 'POST' && r.path.endsWith('/qemu'))).toHaveLength(1);
  });

  it('is stale when the VMID that was shown belongs to another guest now', async () => {
    world = await openWorld(policy({ rules: [asked('create_vm')] }));
    const id = await world.asks('create_vm', { name: 'late', disk_gb: 1 });
    await world.another(policy({})).perform('create_vm', { name: 'quick', disk_gb: 1 }, agent, { wait: 'end' });
    expect(await world.refused(approve(id))).toMatchObject({ code: 'approval_stale' });
    expect(world.cluster.mutations().filter((r) => r.path.endsWith('/qemu'))).toHaveLength(1);
  });
});

describe('limits per hour', () => {
  it('are not lifted by requesting everything first', async () => {
    world = await openWorld(policy({ perHour: { destroys: 1 } }));
    const vmids = [await make('gone1'), await make('gone2')];
    const ids = [await world.asks('delete_vm', { vmid: vmids[0] }), await world.asks('delete_vm', { vmid: vmids[1] })];
    await approve(ids[0] as string);
    expect(await world.refused(approve(ids[1] as string))).toMatchObject({ code: 'rate_limited' });
    expect(world.cluster.mutations().filter((r) => r.method === 'DELETE')).toHaveLength(1);
  });
});

describe('a rule about the principal', () => {
  it('is about the requester, not about the approver', async () => {
    world = await openWorld(policy({ rules: [{ match: { principal: ['local:operator'] }, never: true }] }));
    const vmid = await make('theirs', { start_on_create: true });
    const id = await world.asks('stop_vm', { vmid, force: true });
    const answer = { approvalId: id, via: 'terminal' as const, typed: `theirs ${vmid}` };
    expect(await world.call('approve', { approval_id: id }, { answer }, operator())).toMatchObject({ kind: 'done' });
  });
  it('holds when it was made after the request', async () => {
    world = await openWorld();
    const vmid = await make('mine', { start_on_create: true });
    const id = await world.asks('stop_vm', { vmid, force: true });
    const later = world.another(policy({ rules: [{ match: { principal: [agent.principal] }, never: true }] }));
    const answer = { approvalId: id, via: 'terminal' as const, typed: `mine ${vmid}` };
    const refused = await world.refused(later.perform('approve', { approval_id: id }, operator(), { wait: 'end', answer }));
    expect(refused).toMatchObject({ code: 'forbidden_by_policy' });
  });
});

describe('a list that holds a protected guest', () => {
  it('is decided by a human, wherever in the list it stands', async () => {
    world = await openWorld({ approval: { mode: 'auto', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
    const vmids = [await make('plain1', { start_on_create: true }), await make('guarded', { start_on_create: true, protection: true })];
    const result = await world.call('stop_vm', { vmids, force: true });
    expect(result).toMatchObject({ kind: 'approval_required', approval: { method: 'human' } });
    // The verb is whole: "Power off", never "Power".
    expect(result).toMatchObject({ approval: { plan: { summary: expect.stringMatching(/^Power off 2 guests: plain1/) } } });
  });
});

describe('the text about several guests', () => {
  it('names the facts of each guest, never those of one as if of all', async () => {
    world = await openWorld();
    const vmids = [
      await make('harmless', { start_on_create: true, tags: ['dev'] }),
      await make('shop', { start_on_create: true, tags: ['prod'], pool: 'agents' }),
    ];
    const id = await world.asks('stop_vm', { vmids, force: true });
    const asked = await world.call('approve', { approval_id: id }, {}, operator());
    const lines = asked.kind === 'question' ? asked.question.text.split('\n') : [];
    const about = (name: string) => lines.find((line) => line.startsWith(`  ${name}, VMID `));
    expect(about('harmless')).toMatch(/ on node pve; .*Uptime: [^;]+;.*Tags: dev$/);
    expect(about('shop')).toMatch(/ on node pve; .*Uptime: [^;]+;.*Pool: agents; Tags: prod$/);
    expect(about('harmless')).not.toContain('agents');
    expect(lines.filter((line) => /^(Guest|Tags|Pool|Uptime|Snapshots):/.test(line))).toEqual([]);
  });
});

describe('a required backup', () => {
  it('is searched for whatever the operation is', async () => {
    world = await openWorld(policy({ rules: [{ match: { operation: ['stop_vm'] }, never: false, requireBackupWithin: 3_600 }] }));
    const vmid = await make('saved', { start_on_create: true });
    expect(await world.refused(world.call('stop_vm', { vmid, force: true }))).toMatchObject({ code: 'forbidden_by_policy' });
    await world.other().task('POST', '/nodes/pve/vzdump', { vmid: String(vmid), storage: 'local', mode: 'snapshot', remove: '0' });
    expect(await world.asks('stop_vm', { vmid, force: true })).toMatch(/^apr_/);
  });
});

describe('a required backup before a deletion', () => {
  it('may be the one that the plan itself makes first', async () => {
    world = await openWorld(policy({ rules: [{ match: { operation: ['delete_vm'] }, never: false, requireBackupWithin: 3_600 }] }));
    const vmid = await make('kept');
    expect(await world.refused(world.call('delete_vm', { vmid }))).toMatchObject({ code: 'forbidden_by_policy' });
    expect(await world.asks('delete_vm', { vmid, backup_storage: 'local' })).toMatch(/^apr_/);
  });
});

describe('a backup that is gone when the human decides', () => {
  const required = policy({ rules: [{ match: { operation: ['stop_vm'] }, never: false, requireBackupWithin: 3_600 }] });
  const backUp = (vmid: number) =>
    world.other().task('POST', '/nodes/pve/vzdump', { vmid: String(vmid), storage: 'local', mode: 'snapshot', remove: '0' });
  async function dropBackups(vmid: number): Promise<void> {
    const { data } = await world.other().get('/nodes/pve/storage/local/content?content=backup');
    for (const { volid } of (data as { volid: string; vmid?: number }[]).filter((row) => row.vmid === vmid))
      await world.other().task('DELETE', `/nodes/pve/storage/local/content/${encodeURIComponent(volid)}`);
  }
  const sent = (vmid: number) => world.cluster.mutations().filter(({ path }) => path.includes(`/qemu/${vmid}`)).length;

  it('makes a deletion stale that was shown with it, and one with a newer backup is done', async () => {
    world = await openWorld();
    const vmid = await make('trusted');
    await backUp(vmid);
    const id = await world.asks('delete_vm', { vmid });
    await dropBackups(vmid);
    expect(await world.refused(approve(id))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringMatching(/the newest backup was from .*, now none is visible/),
    });
    expect(sent(vmid)).toBe(0);
    await backUp(vmid);
    const again = await world.asks('delete_vm', { vmid });
    await backUp(vmid);
    expect(await approve(again)).toMatchObject({ status: 'succeeded' });
  });

  it('does not satisfy a policy that requires it', async () => {
    world = await openWorld(required);
    const vmid = await make('saved', { start_on_create: true });
    await backUp(vmid);
    const id = await world.asks('stop_vm', { vmid, force: true });
    const before = sent(vmid);
    await dropBackups(vmid);
    expect(await world.refused(approve(id))).toMatchObject({ code: 'forbidden_by_policy', message: expect.stringContaining('backup') });
    expect(sent(vmid)).toBe(before);
    // The approval waits for the backup that the error asks for.
    await backUp(vmid);
    expect(await approve(id)).toMatchObject({ status: 'succeeded' });
  });

  it('is missed by a policy that was made after the request', async () => {
    world = await openWorld();
    const vmid = await make('older', { start_on_create: true });
    const id = await world.asks('stop_vm', { vmid, force: true });
    const later = world.another(required).perform('approve', { approval_id: id }, agent, { wait: 'end' });
    expect(await world.refused(later)).toMatchObject({ code: 'forbidden_by_policy' });
  });
});

describe('a cool-down', () => {
  const cool = policy({ rules: [{ match: { operation: ['stop_vm'] }, never: false, cooldown: 600 }] });
  it('is not lifted by a standing approval', async () => {
    world = await openWorld(cool);
    const vmid = await make('again', { start_on_create: true, tags: ['lab'] });
    await world.engine.standing.create({ operations: ['stop_vm'], tag: 'lab', uses: 5, minutes: 5, raised: true }, operator());
    await world.done('stop_vm', { vmid, force: true });
    await world.done('start_vm', { vmid });
    expect(await world.refused(world.call('stop_vm', { vmid, force: true }))).toMatchObject({ code: 'rate_limited' });
  });
  it('does not begin without a decision: a stale request may be made again', async () => {
    world = await openWorld(cool);
    const vmid = await make('moved', { start_on_create: true });
    const id = await world.asks('stop_vm', { vmid, force: true });
    await world.other().task('POST', `/nodes/pve/qemu/${vmid}/config`, { protection: '1' });
    expect(await world.refused(approve(id))).toMatchObject({ code: 'approval_stale' });
    expect(await world.asks('stop_vm', { vmid, force: true })).not.toBe(id);
  });
});

describe('a standing approval', () => {
  it('is named in every line of the audit that it covered', async () => {
    world = await openWorld();
    const vmid = await make('covered', { start_on_create: true, tags: ['lab'] });
    const lease = await world.engine.standing.create(
      { operations: ['stop_vm'], tag: 'lab', uses: 1, minutes: 5, raised: true },
      operator(),
    );
    await world.done('stop_vm', { vmid, force: true });
    const lines = world.audit().filter((r) => r.operation === 'stop_vm');
    expect(lines.map(({ kind, leaseId }) => ({ kind, leaseId }))).toEqual([
      { kind: 'intent', leaseId: lease.id },
      { kind: 'outcome', leaseId: lease.id },
    ]);
  });
});

describe('what a deletion takes along', () => {
  it('is stale when more would be destroyed than was shown', async () => {
    world = await openWorld();
    const vmid = await make('full');
    const volume = (name: string) =>
      world.other().post('/nodes/pve/storage/local-lvm/content', { vmid: String(vmid), filename: name, size: '1G' });
    await volume(`vm-${vmid}-disk-7`);
    const id = await world.asks('delete_vm', { vmid });
    await volume(`vm-${vmid}-disk-8`);
    expect(await world.refused(approve(id))).toMatchObject({ code: 'approval_stale', message: expect.stringContaining('disk-8') });
    expect(world.cluster.mutations().filter((r) => r.method === 'DELETE')).toEqual([]);
  });
  it('is only what was seen: where a storage could not be searched, volumes of no configuration stay', async () => {
    world = await openWorld();
    const vmid = await make('partly');
    await world.other().post('/nodes/pve/storage/local-lvm/content', { vmid: String(vmid), filename: `vm-${vmid}-disk-7`, size: '1G' });
    const extra = (await world.call('delete_vm', { vmid }, { dryRun: true })) as { plan: { steps: unknown } };
    expect(JSON.stringify(extra.plan.steps)).toContain('destroy-unreferenced-disks');
    world.cluster.simulator.faults.add({ match: { path: '/storage/nas/content' }, action: 'status', status: 500, reason: 'nas is away' });
    const partly = (await world.call('delete_vm', { vmid }, { dryRun: true })) as { plan: { steps: unknown; warnings: string[] } };
    expect(JSON.stringify(partly.plan.steps)).not.toContain('destroy-unreferenced-disks');
    expect(partly.plan.warnings.join()).toContain(`stay behind: local-lvm:vm-${vmid}-disk-7`);
  });
  it('is stale when a snapshot was made since', async () => {
    world = await openWorld();
    const vmid = await make('snapped');
    const id = await world.asks('delete_vm', { vmid });
    await world.other().task('POST', `/nodes/pve/qemu/${vmid}/snapshot`, { snapname: 'precious' });
    expect(await world.refused(approve(id))).toMatchObject({ code: 'approval_stale' });
    expect(world.cluster.mutations().filter((r) => r.method === 'DELETE')).toEqual([]);
  });
});

describe('the former names of a guest', () => {
  it('are remembered from the day it was made', async () => {
    world = await openWorld();
    const vmid = await make('payroll');
    await world.other().task('POST', `/nodes/pve/qemu/${vmid}/config`, { name: 'scratch' });
    const result = await world.call('delete_vm', { vmid });
    expect(result).toMatchObject({ approval: { plan: { facts: { formerNames: ['payroll'] } } } });
  });
  it('are shown for every guest of a list', async () => {
    world = await openWorld();
    const vmids = [await make('one', { start_on_create: true }), await make('ledger', { start_on_create: true })];
    await world.other().task('POST', `/nodes/pve/qemu/${vmids[1]}/config`, { name: 'tmp' });
    const result = await world.call('stop_vm', { vmids, force: true });
    const id = result.kind === 'approval_required' ? result.approval.id : '';
    const question = await world.call('approve', { approval_id: id }, {}, operator());
    expect(question.kind === 'question' && question.question.text).toContain('ledger');
  });
});

describe('an approval without a decision', () => {
  const decisions = () =>
    world
      .audit()
      .filter(({ kind }) => kind === 'decision')
      .map(({ status, approvalId, principal }) => [status, approvalId, principal]);

  it('leaves one line in the audit when its time is up, for all processes together', async () => {
    world = await openWorld({ approval: { mode: 'relay', ttlSeconds: 60, maxPendingPerPrincipal: 10 } });
    const id = await world.asks('stop_vm', { vmid: 100 });
    const later = world.another({}, { clock: { ...systemClock, now: () => Date.now() + 61_000 } });
    await Promise.all([later.watch(), later.perform('list_approvals', {}, agent), later.watch()]);
    expect(decisions()).toEqual([['expired', id, 'server']]);
  });

  it('leaves one when a newer request takes its place', async () => {
    world = await openWorld();
    const id = await world.asks('delete_vm', { vmid: 104 });
    await world.other().put('/nodes/pve/qemu/104/config', { description: 'another', name: 'renamed' });
    expect(await world.asks('delete_vm', { vmid: 104 })).not.toBe(id);
    expect(decisions()).toEqual([['stale', id, agent.principal]]);
  });
});
