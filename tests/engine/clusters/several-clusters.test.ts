import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { asError } from '../../../src/core/errors/errors.ts';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { createGauges } from '../../../src/http/gauges.ts';
import { openTwo, type Two } from '../../helpers/two-clusters.ts';
import { agent, hurriedClock, operator } from '../../helpers/world.ts';

let two: Two;
beforeEach(async () => {
  two = await openTwo();
});
afterEach(() => two.close());

const refused = (call: Promise<unknown>) =>
  call.then(
    () => {
      throw new Error('it was not refused');
    },
    (thrown) => asError(thrown),
  );
/** The limits of a read of all clusters: a cluster that hung lately is given less (ms). */
const LIMITS = [35_000, 2_000];

/** Real time that a test turns. The limits of a read of all clusters pass once the first cluster has answered; `limits` are those that were set (ms). */
function patientClock({ waitsFor = LIMITS } = {}): {
  clock: Clock;
  limits: number[];
  pass: (ms: number) => void;
  setClock: (ms: number) => void;
} {
  const limits: number[] = [];
  let ahead = 0;
  const waiting = new Set<() => void>();
  const sleep: Clock['sleep'] = (ms, signal) => {
    if (!LIMITS.includes(ms)) return systemClock.sleep(ms, signal);
    limits.push(ms);
    return new Promise((resolve, reject) => {
      if (waitsFor.includes(ms)) waiting.add(resolve);
      signal?.addEventListener('abort', () => {
        waiting.delete(resolve);
        reject(signal.reason);
        for (const pass of waiting) pass();
      });
    });
  };
  const pass = (ms: number) => {
    ahead += ms;
  };
  let set = 0;
  /** Sets the clock of the machine, which is not a passing of time. */
  const setClock = (ms: number) => {
    set += ms;
  };
  return { clock: { now: () => Date.now() + ahead + set, elapsed: () => performance.now() + ahead, sleep }, limits, pass, setClock };
}
/** Time-outs of requests pass in a moment, the limits of a read of all clusters never, however slow the machine is. */
function endlessClock(): Clock {
  const hurried = hurriedClock();
  const never = (signal?: AbortSignal) =>
    new Promise<void>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }));
  return { ...hurried, sleep: (ms, signal) => (LIMITS.includes(ms) ? never(signal) : hurried.sleep(ms, signal)) };
}

const rows = (output: JsonObject, list: string) => output[list] as JsonObject[];
const sent = () => [two.home.mutations().length, two.work.mutations().length];

describe('a read without cluster', () => {
  it('shows both clusters, and each row names its own first', async () => {
    const output = await two.done('list_vms', {});
    const vms = rows(output, 'vms');
    expect(vms.filter(({ vmid }) => vmid === 100).map(({ cluster }) => cluster)).toEqual(['home', 'work']);
    expect(Object.keys(vms[0] ?? {})[0]).toBe('cluster');
    expect((output.columns as string[])[0]).toBe('cluster');
    const each = output.by_cluster as Record<string, JsonObject>;
    expect(each.home?.total).toBe(vms.length / 2);
    expect(each.work?.total).toBe(vms.length / 2);
    expect(output).not.toHaveProperty('notice');
  });

  it('shows one of them where the call names it, as a server of that cluster alone would', async () => {
    const output = await two.done('list_vms', { cluster: 'work' });
    expect(output).not.toHaveProperty('by_cluster');
    expect(rows(output, 'vms').some((row) => 'cluster' in row)).toBe(false);
    expect(two.home.requests).toEqual([]);
  });

  it('lists guests of one name as candidates, and guesses none', async () => {
    const [{ name } = {}] = rows(await two.done('list_vms', { cluster: 'home' }), 'vms');
    const error = await refused(two.call('get_vm', { name }));
    expect(error).toMatchObject({ code: 'ambiguous', hint: 'Call again with cluster.' });
    expect(error.details?.candidates).toMatchObject([
      { cluster: 'home', name },
      { cluster: 'work', name },
    ]);
  });

  it('finds the guest that is on one of them alone, and says where', async () => {
    const { vmid } = await two.done('create_vm', { cluster: 'work', name: 'only-here', disk_gb: 1 });
    expect(await two.done('get_vm', { name: 'only-here' })).toMatchObject({ cluster: 'work', vmid });
    expect(await refused(two.call('get_vm', { name: 'nowhere' }))).toMatchObject({ code: 'guest_not_found' });
  });

  it('refuses a cursor, which continues the list of one cluster', async () => {
    const { by_cluster } = await two.done('list_vms', { limit: 1 });
    const cursor = (by_cluster as Record<string, JsonObject>).home?.next_cursor;
    expect(await refused(two.call('list_vms', { limit: 1, cursor }))).toMatchObject({
      code: 'invalid_arguments',
      message: 'list_vms: Name the cluster: home, work.',
    });
    expect(rows(await two.done('list_vms', { limit: 1, cursor, cluster: 'home' }), 'vms')).toHaveLength(1);
  });

  it('is refused with a next call that one of the clusters takes', async () => {
    const error = await refused(two.call('api_read', { method: 'GET /nodes/{node}/qemu' }));
    expect(error.hint).toBe('Look at its parameters with api_search {"cluster": "home", "query": "GET /nodes/{node}/qemu"}.');
    const found = await two.done('api_search', { cluster: 'home', query: 'GET /nodes/{node}/qemu' });
    expect(found.methods).toMatchObject([{ method: 'GET /nodes/{node}/qemu' }]);
  });

  it('lists approvals and runs of both', async () => {
    const ids = [await two.asks('stop_vm', { cluster: 'home', vmid: 100 }), await two.asks('stop_vm', { cluster: 'work', vmid: 100 })];
    const approvals = rows(await two.done('list_approvals', {}), 'approvals');
    expect(approvals.map(({ cluster, approval_id }) => [cluster, approval_id])).toEqual([
      ['home', ids[0]],
      ['work', ids[1]],
    ]);
    await two.done('approve', { approval_id: ids[1] ?? '' });
    const [run, ...more] = rows(await two.done('get_task', {}), 'runs');
    expect([run?.cluster, more]).toEqual(['work', []]);
    expect(await two.done('get_task', { run_id: String(run?.run_id) })).toMatchObject({ status: 'succeeded' });
  });
});

describe('a change', () => {
  it('without cluster is refused with the names, and no request leaves', async () => {
    for (const [operation, args] of [
      ['stop_vm', { vmid: 100 }],
      ['create_vm', { name: 'new', disk_gb: 1 }],
    ] as const)
      expect(await refused(two.call(operation, args))).toMatchObject({
        code: 'invalid_arguments',
        message: `${operation}: Name the cluster: home, work.`,
      });
    expect([two.home.requests, two.work.requests]).toEqual([[], []]);
    expect(two.audit()).toMatchObject([{ kind: 'refused' }, { kind: 'refused' }]);
    expect(two.audit().some((line) => 'cluster' in line)).toBe(false);
  });

  it('with a name of another type is refused', async () => {
    expect(await refused(two.call('start_vm', { cluster: ['home'], vmid: 100 }))).toMatchObject({
      message: 'start_vm: cluster must be one of home, work.',
    });
  });

  it('with a name that no cluster has is refused', async () => {
    expect(await refused(two.call('start_vm', { cluster: 'wrok', vmid: 100 }))).toMatchObject({
      code: 'invalid_arguments',
      message: 'start_vm: No cluster is called "wrok". Clusters: home, work.',
    });
  });

  it('reaches the named cluster alone, and every line of the audit names it', async () => {
    await two.done('create_vm', { cluster: 'work', name: 'new', disk_gb: 1 });
    expect(sent()[0]).toBe(0);
    expect(sent()[1]).toBeGreaterThan(0);
    for (const { cluster } of two.audit()) expect(String(cluster)).toMatch(/^work(@[0-9a-f]{16})?$/);
  });

  it('may create one name and VMID on both at once', async () => {
    const args = { name: 'twin', vmid: 880, disk_gb: 1 };
    const made = await Promise.all(['home', 'work'].map((cluster) => two.done('create_vm', { cluster, ...args })));
    expect(made).toMatchObject([
      { vmid: 880, created: true },
      { vmid: 880, created: true },
    ]);
  });

  it('names its cluster in the calls that may follow', async () => {
    const asked = await two.call('stop_vm', { cluster: 'work', vmid: 100 });
    if (asked.kind !== 'approval_required') throw new Error('not asked');
    const { undo, steps } = asked.approval.plan;
    expect(undo).toContain('start_vm {"cluster": "work", "vmid": 100}');
    expect(steps).toMatchObject([{ onFailure: expect.stringContaining('stop_vm {"cluster": "work", "vmid": 100, "force": true}') }]);
    const error = await refused(two.call('reboot_vm', { cluster: 'work', vmid: 104 }));
    expect(error.hint).toBe('Start it with start_vm {"cluster": "work", "vmid": 104}.');
    const firewall = await two.call('update_firewall', { cluster: 'work', vmid: 101, enabled: true }, { dryRun: true });
    expect(firewall).toMatchObject({
      plan: { warnings: expect.arrayContaining([expect.stringContaining('update_vm {"cluster": "work", "vmid": 101,')]) },
    });
    const made = await two.call('create_vm', { cluster: 'work', name: 'new', disk_gb: 1 }, { dryRun: true });
    expect(made).toMatchObject({ plan: { cleanup: expect.stringContaining('delete_vm {"cluster": "work", "vmid": ') } });
    const alone = two.another({ at: { home: two.home } });
    const planned = await alone.perform('stop_vm', { vmid: 100 }, agent, { dryRun: true });
    expect(planned).toMatchObject({ plan: { undo: expect.stringContaining('start_vm {"vmid": 100}') } });
  });

  it('counts in the limits of its cluster alone', async () => {
    await two.close();
    const limits = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 0, scope: { kind: 'visible' as const } };
    two = await openTwo({ work: { limits } });
    expect(await refused(two.call('create_vm', { cluster: 'work', name: 'one', disk_gb: 1 }))).toMatchObject({ code: 'quota_exceeded' });
    expect(await two.done('create_vm', { cluster: 'home', name: 'one', disk_gb: 1 })).toMatchObject({ created: true });
    expect((await two.engine.quotas('work')).quotas.find(({ size }) => size === 'guests')?.limit).toBe(0);
    expect((await two.engine.quotas('home')).quotas.find(({ size }) => size === 'guests')?.limit).toBe(50);
  });
});

describe('the gauges', () => {
  it('have a label for the cluster, and one that hangs takes none from the other', async () => {
    await two.asks('stop_vm', { cluster: 'work', vmid: 100 });
    const gauges = await createGauges({ engine: two.engine })();
    const pending = gauges.filter(({ name }) => name === 'proxmox_mcp_approvals_pending');
    expect(pending.map(({ labels, value }) => [labels, value])).toEqual([
      [{ cluster: 'home' }, 0],
      [{ cluster: 'work' }, 1],
    ]);
    const limits = gauges.filter(({ name, labels }) => name === 'proxmox_mcp_quota_limit' && labels?.resource === 'guests');
    expect(limits.map(({ labels }) => labels?.cluster)).toEqual(['home', 'work']);
    // What the store of this server knows of a cluster does not depend on that cluster.
    two.work.simulator.faults.add({ action: 'hold-before' });
    const held = await createGauges({ engine: two.engine })();
    expect(held.filter(({ labels }) => labels?.cluster === 'work')).toEqual([
      { name: 'proxmox_mcp_approvals_pending', labels: { cluster: 'work' }, value: 1 },
      { name: 'proxmox_mcp_runs_unknown', labels: { cluster: 'work' }, value: 0 },
    ]);
    two.work.simulator.faults.clear();
    await two.work.simulator.close();
    const left = await createGauges({ engine: two.another() })();
    expect(new Set(left.filter(({ name }) => name.startsWith('proxmox_mcp_quota')).map(({ labels }) => labels?.cluster))).toEqual(
      new Set(['home']),
    );
  });
});

describe('an approval', () => {
  it('is executed on the cluster of its request, without naming it again', async () => {
    const id = await two.asks('stop_vm', { cluster: 'work', vmid: 100 });
    await two.done('approve', { approval_id: id });
    expect(sent()[0]).toBe(0);
    expect(two.work.mutations()).toMatchObject([{ path: '/nodes/pve/qemu/100/status/shutdown' }]);
  });

  it('of one cluster is worth nothing for the same call on the other', async () => {
    const id = await two.asks('stop_vm', { cluster: 'home', vmid: 100 });
    for (const call of [
      two.call('stop_vm', { cluster: 'work', vmid: 100 }, { approvalId: id }),
      two.call('approve', { cluster: 'work', approval_id: id }),
      two.call('deny', { cluster: 'work', approval_id: id }),
    ])
      expect(await refused(call)).toMatchObject({ code: 'approval_mismatch' });
    expect(sent()).toEqual([0, 0]);
    await two.done('stop_vm', { cluster: 'home', vmid: 100 }, { approvalId: id });
  });

  it('is worth nothing once its name means another cluster: the authority belongs to the identity', async () => {
    const id = await two.asks('stop_vm', { cluster: 'home', vmid: 100 });
    const swapped = two.another({ at: { home: two.work, work: two.home } });
    expect(await refused(swapped.perform('approve', { approval_id: id }, agent))).toMatchObject({ code: 'approval_mismatch' });
    expect(sent()).toEqual([0, 0]);
    const reordered = two.another({ at: { work: two.work, home: two.home } });
    expect(await reordered.perform('approve', { approval_id: id }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
  });

  it('of both is shown to a transport that watches', async () => {
    await two.asks('stop_vm', { cluster: 'home', vmid: 100 });
    await two.asks('stop_vm', { cluster: 'work', vmid: 100 });
    const { pending } = await two.engine.watch();
    expect(pending.map(({ cluster }) => cluster.split('@')[0])).toEqual(['home', 'work']);
    expect(new Set(pending.map(({ digest }) => digest)).size).toBe(2);
  });

  it('given in advance covers its cluster alone', async () => {
    const [{ tags = [] } = {}] = rows(await two.done('list_vms', { cluster: 'home', status: 'running', columns: ['tags'] }), 'vms').filter(
      (vm) => Array.isArray(vm.tags) && vm.tags.length > 0,
    );
    const tag = String((tags as string[])[0]);
    const request = { operations: ['stop_vm'], tag, uses: 5, minutes: 5 };
    await expect(two.engine.standing.create(request, operator())).rejects.toMatchObject({ code: 'invalid_arguments' });
    const { id } = await two.engine.standing.create({ ...request, cluster: 'home' }, operator());
    const [vm] = rows(await two.done('list_vms', { cluster: 'home', status: 'running', tag }), 'vms');
    const vmid = Number(vm?.vmid);
    expect(await two.call('stop_vm', { cluster: 'work', vmid })).toMatchObject({ kind: 'approval_required' });
    expect(await two.call('stop_vm', { cluster: 'home', vmid })).toMatchObject({ kind: 'done' });
    await two.engine.standing.revoke(id, operator());
    expect((await two.engine.standing.list()).map(({ revokedAt }) => typeof revokedAt)).toEqual(['string']);
  });
});

describe('an id', () => {
  it('that no cluster knows is unknown, and the error does not ask for a cluster', async () => {
    for (const operation of ['approve', 'deny'])
      expect(await refused(two.call(operation, { approval_id: 'apr_nosuch' }))).toMatchObject({
        code: 'approval_unknown',
        message: 'Approval apr_nosuch is not one of yours.',
      });
    expect(await refused(two.call('approve', {}))).toMatchObject({ message: expect.stringContaining('approval_id is missing') });
    expect(sent()).toEqual([0, 0]);
  });

  it('of a cluster that the file no longer has is reported as such, decides nothing, and counts again once it is back', async () => {
    const id = await two.asks('stop_vm', { cluster: 'work', vmid: 100 });
    await two.done('start_vm', { cluster: 'work', vmid: 104 });
    const [run] = rows(await two.done('get_task', { cluster: 'work' }), 'runs');
    const run_id = String(run?.run_id);
    const without = two.another({ at: { home: two.home, third: two.work } });
    const before = sent();
    expect(await refused(without.perform('approve', { approval_id: id }, agent))).toMatchObject({
      code: 'approval_mismatch',
      message: expect.stringMatching(/^Approval \S+ is for the cluster work@[0-9a-f]{16}, not for (home|third)@[0-9a-f]{16}\.$/),
    });
    expect(await refused(without.perform('get_task', { run_id }, agent))).toMatchObject({
      code: 'task_unknown',
      message: expect.stringMatching(/^Run \S+ is on the cluster work@/),
    });
    const { kind, ...more } = await without.perform('list_approvals', {}, agent);
    expect([kind, more]).toMatchObject(['done', { output: { approvals: [] } }]);
    expect(sent()).toEqual(before);
    expect(await two.done('approve', { approval_id: id })).toMatchObject({ status: 'succeeded' });
  });
});

describe('an operation that reads nothing of a cluster', () => {
  it('answers once, also where the first of them does not answer', async () => {
    const once = await two.done('api_search', { query: 'snapshot' });
    expect(once).not.toHaveProperty('by_cluster');
    expect(JSON.stringify(once)).not.toContain('"cluster"');
    await two.home.simulator.close();
    const other = two.another({ clock: hurriedClock() });
    expect(await other.perform('api_search', { query: 'snapshot' }, agent)).toEqual({ kind: 'done', output: once });
  });
});

describe('an access token that is limited to a cluster', () => {
  const limited: Caller = { ...agent, principal: 'token:home', role: 'operator', channel: 'http', scope: { clusters: ['home'] } };

  it('sees and changes that one alone', async () => {
    const { vms } = await two.done('list_vms', {}, {}, limited);
    expect(new Set((vms as JsonObject[]).map(({ cluster }) => cluster))).toEqual(new Set(['home']));
    for (const [operation, args] of [
      ['list_vms', { cluster: 'work' }],
      ['start_vm', { cluster: 'work', vmid: 101 }],
    ] as const)
      expect(await refused(two.call(operation, args, {}, limited))).toMatchObject({
        code: 'forbidden_by_policy',
        message: 'This access token is limited to cluster home.',
      });
    expect(two.work.requests).toEqual([]);
    expect(await two.call('stop_vm', { cluster: 'home', vmid: 100 }, {}, limited)).toMatchObject({ kind: 'approval_required' });
  });

  it('decides nothing on the other', async () => {
    const id = await two.asks('stop_vm', { cluster: 'work', vmid: 100 });
    expect(await refused(two.call('deny', { approval_id: id }, {}, { ...limited, principal: agent.principal }))).toMatchObject({
      code: 'forbidden_by_policy',
    });
  });
});

describe('a cluster that does not answer', () => {
  it('hides nothing of the other, and the answer says that its part is missing', async () => {
    await two.work.simulator.close();
    const output = await two.another({ clock: endlessClock() }).perform('list_vms', {}, agent);
    if (output.kind !== 'done') throw new Error('not done');
    expect(new Set(rows(output.output, 'vms').map(({ cluster }) => cluster))).toEqual(new Set(['home']));
    expect(output.output.notice).toContain('Clusters without an answer, so their part is missing: work (');
  });

  it('leaves no doubt about the id of a run, which the store of this server knows or does not', async () => {
    await two.work.simulator.close();
    const asked = two.another({ clock: endlessClock() }).perform('get_task', { run_id: 'run_nosuch' }, agent);
    expect(await refused(asked)).toMatchObject({ code: 'task_unknown', message: 'Run run_nosuch is not one of yours.' });
  });

  it('and hangs delays a read by the time-out of one request, the next one less, and no change on the other', async () => {
    two.work.simulator.faults.add({ action: 'hold-before' });
    const { clock, limits, pass, setClock } = patientClock();
    const engine = two.another({ clock });
    const read = async () => {
      const result = await engine.perform('list_vms', {}, agent);
      if (result.kind !== 'done') throw new Error('not done');
      expect(new Set(rows(result.output, 'vms').map(({ cluster }) => cluster))).toEqual(new Set(['home']));
      return result.output.notice;
    };
    expect(await read()).toContain('work (No answer within 35 s.)');
    expect(limits.splice(0)).toEqual([35_000, 35_000]);
    setClock(-86_400_000);
    expect(await engine.perform('start_vm', { cluster: 'home', vmid: 104 }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
    expect(await read()).toContain('work (No answer within 2 s.)');
    expect(limits.splice(0)).toEqual([35_000, 2_000]);
    // The short wait does not begin another minute of short waits, in which a slow cluster could never answer.
    pass(40_000);
    await read();
    pass(40_000);
    await read();
    expect(limits).toEqual([35_000, 2_000, 35_000, 35_000]);
  });

  it('and hangs delays the next read less also where its connection gave up first', async () => {
    two.work.simulator.faults.add({ action: 'hold-before' });
    const { clock, limits } = patientClock({ waitsFor: [2_000] });
    const engine = two.another({ clock, timeoutMs: 4_000 });
    const notices = [];
    for (let n = 0; n < 2; n++) {
      const result = await engine.perform('list_vms', {}, agent);
      notices.push(result.kind === 'done' ? result.output.notice : result.kind);
    }
    expect(notices).toEqual([expect.stringContaining('no answer in time'), expect.stringContaining('No answer within 2 s.')]);
    expect(limits).toEqual([35_000, 35_000, 35_000, 2_000]);
  }, 60_000);

  it('leaves unknown whether a guest is on it', async () => {
    await two.work.simulator.close();
    const error = await refused(two.another({ clock: endlessClock() }).perform('get_vm', { name: 'nowhere' }, agent));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('home: No guest called nowhere is visible.');
  });
});
