import { afterEach, describe, expect, it } from 'vitest';
import type { Answer } from '../../../src/core/plan/approval.ts';
import type { Policy } from '../../../src/core/settings/policy.ts';
import { setPassphrase } from '../../../src/engine/approvals/passphrase.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const policy = (over: Partial<Policy>): { policy: Policy } => ({ policy: { rules: [], perHour: {}, ...over } });
async function make(name: string, more: object = {}): Promise<number> {
  return (await world.done('create_vm', { name, disk_gb: 1, start_on_create: true, ...more })).vmid as number;
}
const typed = (approvalId: string, text: string, more: Partial<Answer> = {}) => ({
  answer: { approvalId, via: 'terminal' as const, typed: text, ...more },
});

describe('a human who decides elsewhere', () => {
  it('lets the waiting call of the agent return the outcome', async () => {
    world = await openWorld({ approval: { mode: 'human', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
    const vmid = await make('elsewhere');
    const id = await world.asks('stop_vm', { vmid, force: true });
    const waiting = world.done('approve', { approval_id: id }, { wait: 'end' });
    const console = world.another({ approval: { mode: 'human', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
    const asked = await console.perform('approve', { approval_id: id }, operator());
    expect(asked).toMatchObject({
      kind: 'question',
      question: { mustType: `elsewhere ${vmid}`, text: expect.stringContaining('Power off elsewhere') },
    });
    await console.perform('approve', { approval_id: id }, operator(), { wait: 'end', ...typed(id, `elsewhere ${vmid}`) });
    expect(await waiting).toMatchObject({ status: 'succeeded', result: { status: 'stopped' } });
    expect(world.audit().filter((r) => r.kind === 'decision')).toMatchObject([
      { status: 'approved', decidedVia: 'human', principal: 'local:operator' },
    ]);
  });

  it('approves by the exact text alone', async () => {
    world = await openWorld();
    const vmid = await make('exact');
    const id = await world.asks('stop_vm', { vmid, force: true });
    for (const text of ['', 'yes', 'exact', String(vmid), `exact ${vmid + 1}`, `EXACT ${vmid}`]) {
      expect(await world.refused(world.call('approve', { approval_id: id }, typed(id, text), operator()))).toMatchObject({
        code: 'approval_not_confirmed',
      });
    }
    expect(await world.refused(world.call('approve', { approval_id: id }, typed('apr_other', `exact ${vmid}`), operator()))).toMatchObject({
      code: 'approval_not_confirmed',
    });
    expect(world.cluster.mutations().filter((r) => r.path.includes('/status/stop'))).toEqual([]);
  });

  it('needs the passphrase where one is set', async () => {
    world = await openWorld();
    const vmid = await make('secret');
    const id = await world.asks('stop_vm', { vmid, force: true });
    await setPassphrase(world.dataDir, 'correct horse battery');
    expect(await world.call('approve', { approval_id: id }, {}, operator())).toMatchObject({
      kind: 'question',
      question: { needsPassphrase: true },
    });
    for (const passphrase of [undefined, '', 'wrong horse battery']) {
      const answer = typed(id, `secret ${vmid}`, passphrase === undefined ? {} : { passphrase });
      expect(await world.refused(world.call('approve', { approval_id: id }, answer, operator()))).toMatchObject({
        code: 'approval_not_confirmed',
      });
    }
    expect(
      await world.done('approve', { approval_id: id }, typed(id, `secret ${vmid}`, { passphrase: 'correct horse battery' }), operator()),
    ).toMatchObject({ status: 'succeeded' });
  });
});

describe('a policy in force', () => {
  it('asks two owners, and counts one owner once', async () => {
    world = await openWorld(policy({ rules: [{ match: { operation: ['stop_vm'] }, never: false, approvals: 2 }] }));
    const vmid = await make('two', { tags: ['lab'] });
    const id = await world.asks('stop_vm', { vmid, force: true });
    expect(await world.call('approve', { approval_id: id }, { wait: 0 })).toMatchObject({ kind: 'approval_required' });
    await world.engine.standing.create({ operations: ['stop_vm'], tag: 'lab', uses: 5, minutes: 5, raised: true }, operator());
    expect(await world.asks('stop_vm', { vmid, force: true })).toBe(id);
    const yes = (owner: string) => world.call('approve', { approval_id: id }, typed(id, `two ${vmid}`), operator(owner));
    expect(await yes('anna')).toMatchObject({ kind: 'approval_required', approval: { needed: 2, agreedBy: ['anna'] } });
    expect(await yes('anna')).toMatchObject({ kind: 'approval_required', approval: { agreedBy: ['anna'] } });
    expect(await yes('bert')).toMatchObject({ kind: 'done' });
  });

  it('never, only, and a mere change that needs an approval', async () => {
    const rules = [
      { match: { tag: ['frozen'] }, never: true },
      { match: { operation: ['set_resources'] }, never: false, method: 'relay' as const },
    ];
    world = await openWorld(policy({ rules, only: { tags: [], pools: [], created: true } }));
    const vmid = await make('mine');
    const frozen = await make('cold', { tags: ['frozen'] }).catch((error) => error);
    expect(frozen).toMatchObject({ code: 'forbidden_by_policy' });
    expect(await world.asks('set_resources', { vmid, cores: 3 })).toMatch(/^apr_/);
    const foreign = world.cluster.requests.length;
    expect(await world.refused(world.call('stop_vm', { vmid: 100 }))).toMatchObject({ code: 'forbidden_by_policy' });
    expect(await world.refused(world.call('stop_vm', { vmid: 100 }, { dryRun: true }))).toMatchObject({ code: 'forbidden_by_policy' });
    expect(world.cluster.requests.slice(foreign).filter((r) => r.method !== 'GET')).toEqual([]);
  });

  it('demands a backup, a pause between identical requests, and few of a kind in an hour', async () => {
    world = await openWorld(
      policy({
        rules: [
          { match: { operation: ['delete_vm'] }, never: false, requireBackupWithin: 3_600 },
          { match: { operation: ['stop_vm'] }, never: false, cooldown: 600 },
        ],
        perHour: { creates: 2 },
      }),
    );
    const vmid = await make('one');
    await make('second', { start_on_create: false });
    expect(await world.refused(world.call('create_vm', { name: 'third', disk_gb: 1 }))).toMatchObject({ code: 'rate_limited' });
    const id = await world.asks('stop_vm', { vmid, force: true });
    await world.done('deny', { approval_id: id });
    expect(await world.refused(world.call('stop_vm', { vmid, force: true }))).toMatchObject({
      code: 'rate_limited',
      message: expect.stringContaining('denied'),
    });
    const refusals = world.audit().filter(({ kind }) => kind === 'refused');
    expect(refusals.map(({ operation, error }) => [operation, (error as { code: string }).code])).toEqual([
      ['create_vm', 'rate_limited'],
      ['stop_vm', 'rate_limited'],
    ]);
    const { vmid: off } = await world.done('create_vm', { name: 'second', disk_gb: 1 });
    expect(await world.refused(world.call('delete_vm', { vmid: off }))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining('backup'),
    });
  });

  it('does not count a failed request: a VMID that another client took leads to another one, within the same limits', async () => {
    const limits = { rules: [{ match: { operation: ['create_vm'] }, never: false, cooldown: 600 }], perHour: { creates: 1 } };
    world = await openWorld(policy(limits));
    world.cluster.simulator.faults.add({
      match: { method: 'POST', path: '/qemu$' },
      action: 'status',
      status: 500,
      reason: "unable to create VM 108 - VM 108 already exists on node 'pve'",
      times: 1,
    });
    const { vmid } = await world.done('create_vm', { name: 'one', disk_gb: 1 });
    expect(vmid).not.toBe(108);
    expect(await world.refused(world.call('create_vm', { name: 'two', disk_gb: 1 }))).toMatchObject({ code: 'rate_limited' });
  });
});

describe('a standing approval', () => {
  it('covers its operations on guests with its tag, as often as it says, and is named in the audit', async () => {
    world = await openWorld({ approval: { mode: 'human', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
    const [a, b, other] = [
      await make('lab1', { tags: ['lab'] }),
      await make('lab2', { tags: ['lab'] }),
      await make('live1', { tags: ['prod'] }),
    ];
    await expect(world.engine.standing.create({ operations: ['stop_vm'], tag: 'lab', uses: 1, minutes: 5 }, agent)).rejects.toMatchObject({
      code: 'approval_needs_human',
    });
    await expect(
      world.engine.standing.create({ operations: ['stop_vm'], tag: 'lab', uses: 1, minutes: 61 }, operator()),
    ).rejects.toMatchObject({ code: 'invalid_arguments' });
    await expect(world.engine.standing.create({ operations: ['stop_vm'], uses: 1, minutes: 5 }, operator())).rejects.toMatchObject({
      code: 'invalid_arguments',
    });
    // The lists show tags at once, names and states only after a while.
    const byForce = { operations: ['stop_vm'], tag: 'lab', minutes: 5, raised: true };
    const lease = await world.engine.standing.create({ ...byForce, uses: 1 }, operator());
    await world.asks('stop_vm', { vmid: other, force: true });
    expect(await world.done('stop_vm', { vmid: a, force: true })).toMatchObject({ status: 'stopped' });
    await world.asks('stop_vm', { vmid: b, force: true });
    expect(world.audit().filter((r) => r.kind === 'intent' && r.leaseId === lease.id)).toHaveLength(1);
    const second = await world.engine.standing.create({ ...byForce, uses: 5 }, operator());
    await world.engine.standing.revoke(second.id, operator());
    await world.asks('stop_vm', { vmid: b, force: true });
  });
});

describe('several guests under one approval', () => {
  it('shows them all, requires their number and the first name, and stops them', async () => {
    world = await openWorld();
    const vmids = [await make('a1'), await make('a2'), await make('a3')];
    const id = await world.asks('stop_vm', { vmids, force: true });
    const asked = await world.call('approve', { approval_id: id }, {}, operator());
    expect(asked).toMatchObject({ kind: 'question', question: { mustType: '3 a1' } });
    for (const name of ['a1', 'a2', 'a3']) expect(asked.kind === 'question' && asked.question.text).toContain(name);
    const result = await world.done('approve', { approval_id: id }, typed(id, '3 a1'), operator());
    expect(result).toMatchObject({ result: { guests: vmids.map((vmid) => ({ vmid, status: 'stopped' })) } });
  });

  it('is stale when one of them is another guest now', async () => {
    world = await openWorld();
    const vmids = [await make('b1'), await make('b2')];
    const id = await world.asks('stop_vm', { vmids, force: true });
    await world.done('approve', { approval_id: await world.asks('stop_vm', { vmid: vmids[1], force: true }) });
    const before = world.cluster.mutations().length;
    expect(await world.refused(world.call('approve', { approval_id: id }))).toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining(String(vmids[1])),
    });
    expect(world.cluster.mutations().length).toBe(before);
  });
});

describe('the audit', () => {
  it('stops everything when it cannot be written', async () => {
    world = await openWorld({ auditFile: '/dev/null/audit.jsonl' });
    for (const [operation, args] of [
      ['list_vms', {}],
      ['stop_vm', { vmid: 100 }],
    ] as const) {
      expect(await world.refused(world.call(operation, args))).toMatchObject({ code: 'audit_unavailable' });
    }
    expect(await world.refused(world.call('start_vm', { vmid: 104 }))).toMatchObject({ code: 'audit_unavailable' });
    expect(await world.refused(world.call('create_vm', { name: 'unheard', disk_gb: 1 }))).toMatchObject({ code: 'audit_unavailable' });
    expect(world.cluster.requests).toEqual([]);
  });
});
