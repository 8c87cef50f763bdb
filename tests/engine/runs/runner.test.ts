import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProxmoxMcpError } from '../../../src/core/errors/errors.ts';
import type { Plan, Step } from '../../../src/core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../../src/core/plan/run.ts';
import { Deadline } from '../../../src/engine/calls/deadline.ts';
import { auditRun } from '../../../src/engine/records.ts';
import { forget, reconcileReservations, remember } from '../../../src/engine/runs/aftermath.ts';
import { executeRun } from '../../../src/engine/runs/finish.ts';
import { explain } from '../../../src/engine/runs/half-made.ts';
import { type Start, startRun } from '../../../src/engine/runs/runner.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { asker, guest, iso, type Parts, parts, planOf, requestStep, runOf } from '../../helpers/parts.ts';

let store: Store;
let dataDir: string;
let clusters = 0;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'runner-'));
  store = await openStore({ dataDir });
});
afterAll(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true });
});

type Part = 'runs' | 'reservations' | 'secrets' | 'standing' | 'approvals';
type World = Parts & { sent: string[]; instead(part: Part, methods: object): void };
/** A cluster of its own on the one store; `instead` replaces methods of the store. */
function world(): World {
  const ports = parts(store);
  clusters += 1;
  const sent: string[] = [];
  const stored = { ...store };
  ports.store = async () => stored;
  Object.assign(ports.proxmox, {
    cluster: `c${clusters}`,
    async send(gate: { pass(request: object): void }, request: { stepId: string }) {
      gate.pass(request);
      sent.push(request.stepId);
      return { kind: 'done', data: null };
    },
  });
  const instead = (part: Part, methods: object) => Object.assign(stored, { [part]: { ...stored[part], ...methods } });
  return Object.assign(ports, { sent, instead });
}
const one = requestStep('one');
const plan = planOf({ steps: [one] });
const away = async () => {
  throw new ProxmoxMcpError('store_unavailable', 'The store is away.');
};
function start(ports: World, over: Partial<Start> = {}) {
  const deadline = new Deadline('end', ports.clock.now(), ports);
  return startRun({ plan, args: { vmid: 105 }, caller: asker(), options: {}, deadline, reservations: [], ...over }, ports);
}
const ended = async (ports: World, over: Partial<Start> = {}) => (await start(ports, over))?.ended;
const kinds = (ports: World) => ports.told.map(({ kind, status }) => `${kind} ${status}`);
const error = async (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (thrown) => thrown as ProxmoxMcpError,
  );
const newest = async (ports: World) => (await store.runs.recent({ cluster: ports.cluster.name, limit: 1 }))[0];
const demand = {
  newGuests: 1 as const,
  vmid: 200,
  after: { cpu: 1, memoryMib: 1, diskGib: 1 },
  before: { cpu: 0, memoryMib: 0, diskGib: 0 },
};
const { target: _, ...without } = plan;
const making = { ...without, demand, cleanup: 'delete_vm {"vmid": 200}' } as Plan;
const reserve = async (ports: World, id: string) => {
  const wish = { id, cluster: ports.cluster.name, name: '', newGuest: true, worker: 'me', leaseUntil: iso(30), now: iso(0) };
  const taken = await store.reservations.reserve(wish, () => 200);
  if (!('mine' in taken)) throw new Error('taken');
  return taken.mine;
};
const reserved = async (ports: World) => (await store.reservations.all(ports.cluster.name)).map(({ state }) => state);

describe('a run', () => {
  it('is on disk with its intent before anything leaves, and ended with its outcome', async () => {
    const ports = world();
    const begun = await start(ports, { requester: 'token:ci', leaseId: 'lse_1' });
    expect(begun?.run).toMatchObject({
      status: 'executing',
      steps: [],
      principal: 'token:ci',
      leaseId: 'lse_1',
      cluster: ports.cluster.name,
    });
    expect(begun?.run).not.toHaveProperty('approvalId');
    expect(ports.told[0]).toMatchObject({ kind: 'intent', requests: ['POST /nodes/pve/qemu/105/status/one'], leaseId: 'lse_1' });
    ports.clock.at = 0;
    const run = await begun?.ended;
    expect(run).toMatchObject({ status: 'succeeded', steps: [{ id: 'one', state: 'done' }], endedAt: iso(0) });
    expect(run).not.toHaveProperty('error');
    expect(await store.runs.get(run?.id ?? '')).toEqual(run);
    expect(kinds(ports)).toEqual(['intent executing', 'outcome succeeded']);
    expect(ports.told[1]).toMatchObject({ upids: [], durationMs: 0, runId: run?.id });
    expect(ports.told[1]).not.toHaveProperty('error');
    expect(ports.inFlight.runs.size + ports.inFlight.known.size + ports.inFlight.starting.size).toBe(0);
  });

  it('is that of the caller, and is in flight until it has ended', async () => {
    const ports = world();
    const begun = await start(ports, { options: { signal: new AbortController().signal } });
    expect(begun?.run.principal).toBe('local:agent');
    expect(begun?.run).not.toHaveProperty('leaseId');
    expect(ports.inFlight.runs.has(begun?.run.id ?? '')).toBe(true);
    expect(ports.inFlight.starting.size).toBe(0);
    await begun?.ended;
  });

  it('reports its progress', async () => {
    const messages: string[] = [];
    await ended(world(), { options: { onProgress: ({ message }) => messages.push(message) } });
    expect(messages).toEqual(['one web105', 'done']);
  });

  it('that failed says so with its error, in the store and the audit', async () => {
    const ports = world();
    ports.proxmox.send = async () => {
      throw new ProxmoxMcpError('locked', 'The guest is locked.');
    };
    const run = await ended(ports);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'locked', message: 'The guest is locked.' } });
    expect(ports.told[1]).toMatchObject({ status: 'failed', error: { code: 'locked', message: 'The guest is locked.' } });
  });

  it('of unknown outcome is watched', async () => {
    const ports = world();
    const watched: string[] = [];
    ports.watch.begin = ({ id }) => void watched.push(id);
    ports.proxmox.send = async () => ({ kind: 'unknown', reason: '596' });
    const run = await ended(ports);
    expect(run?.status).toBe('unknown');
    expect(watched).toEqual([run?.id]);
    await ended(Object.assign(world(), { watch: ports.watch }));
    expect(watched).toHaveLength(1);
  });

  it('does not begin in a call that was cancelled, and stores nothing', async () => {
    const ports = world();
    expect(await error(start(ports, { options: { signal: AbortSignal.abort() } }))).toMatchObject({
      code: 'interrupted',
      message: 'The call was cancelled before anything was sent.',
    });
    expect(await newest(ports)).toBeUndefined();
    expect(ports.told).toEqual([]);
  });

  it('begins only in the call that wins its approval', async () => {
    const ports = world();
    const decided: string[] = [];
    const decision = { approvalId: 'no such', decidedBy: 'x', decidedVia: 'relay' as const };
    expect(await start(ports, { decision, onDecided: async () => void decided.push('x') })).toBeUndefined();
    expect([...decided, ...ports.told, ...ports.sent, ...ports.inFlight.starting]).toEqual([]);
    const won = world();
    won.instead('runs', { begin: async () => true });
    const begun = await start(won, { decision, onDecided: async () => void decided.push('x') });
    expect(begun?.run.approvalId).toBe('no such');
    expect(decided).toEqual(['x']);
    await begun?.ended;
  });

  it('keeps the secrets of its plan sealed for any process, those of its approval as they are', async () => {
    const ports = world();
    const kept: unknown[] = [];
    ports.vault = {
      ...ports.vault,
      idsIn: () => ['old', 'new'],
      seal: (id) => ({ id, sealed: `sealed ${id}` }),
      reveal: (id, sealed) => `${id}=${sealed}`,
    };
    ports.instead('secrets', {
      get: async (id: string) => (id === 'old' ? 'from the approval' : undefined),
      keep: async (_run: string, all: unknown[]) => void kept.push(...all),
    });
    const params: unknown[] = [];
    const { send } = ports.proxmox;
    ports.proxmox.send = (gate, request) => {
      params.push(request.params);
      return send(gate, request);
    };
    await ended(ports, { plan: planOf({ steps: [{ ...one, params: { a: { $secret: 'old' }, b: { $secret: 'new' } } }] }) });
    expect(kept).toEqual([
      { id: 'old', sealed: 'from the approval' },
      { id: 'new', sealed: 'sealed new' },
    ]);
    expect(params).toEqual([{ a: 'old=from the approval', b: 'new=undefined' }]);
  });
});

describe('a fault before anything left', () => {
  const failed = async (ports: World) => ({ run: await newest(ports), kinds: kinds(ports), sent: ports.sent });

  it('of the audit ends the run as failed and says that nothing was sent', async () => {
    const ports = world();
    const { append } = ports.audit;
    ports.audit.append = async (record, options) => {
      if (record.kind === 'intent') throw new ProxmoxMcpError('audit_unavailable', 'No room.', { details: { a: 1 } });
      return append(record, options);
    };
    expect(await error(start(ports))).toMatchObject({
      code: 'audit_unavailable',
      message: 'No room. Nothing was sent.',
      details: { a: 1 },
    });
    expect(await failed(ports)).toMatchObject({ run: { status: 'failed', steps: [] }, kinds: ['outcome failed'], sent: [] });
  });

  it('of the store while the run begins, too: its row may be there', async () => {
    const ports = world();
    ports.instead('runs', {
      async begin(...given: Parameters<Store['runs']['begin']>) {
        await store.runs.begin(...given);
        return away();
      },
    });
    const thrown = await error(start(ports));
    expect(thrown).toMatchObject({ code: 'store_unavailable', message: 'The store is away. Nothing was sent.' });
    expect(thrown.details).toBeUndefined();
    expect(await failed(ports)).toMatchObject({ run: { status: 'failed' }, kinds: ['outcome failed'], sent: [] });
    const broken = world();
    broken.instead('runs', {
      async begin(...given: Parameters<Store['runs']['begin']>) {
        await store.runs.begin(...given);
        throw new TypeError('a bug');
      },
    });
    expect((await error(start(broken))).message).toBe('a bug');
    expect(await failed(broken)).toMatchObject({ run: { status: 'failed', error: { code: 'internal' } } });
  });

  it('is not a limit that refused the run: that has stored nothing', async () => {
    const ports = world();
    ports.settings.policy = { rules: [], perHour: { destroys: 0 } };
    expect(await error(start(ports, { plan: { ...plan, effect: 'destroy' } }))).toMatchObject({ code: 'rate_limited' });
    expect(ports.told).toEqual([]);
    expect(await newest(ports)).toBeUndefined();
  });

  it('is also the loss of a reservation to another call', async () => {
    const ports = world();
    const reservation = await reserve(ports, `lost-${clusters}`);
    await store.reservations.release(reservation.id);
    ports.inFlight.reservations.add(reservation.id);
    expect(await error(start(ports, { reservations: [reservation] }))).toMatchObject({
      code: 'interrupted',
      message: expect.stringContaining('The reservation expired'),
    });
    expect(await failed(ports)).toMatchObject({ run: { status: 'failed' }, kinds: ['outcome failed'], sent: [] });
    expect(ports.inFlight.reservations.size).toBe(1);
  });
});

describe('a fault once something may have left', () => {
  it('of the store leaves the run to be ended later, and says what was sent', async () => {
    const ports = world();
    ports.instead('runs', { end: away });
    const run = await ended(ports);
    expect(run).toMatchObject({
      status: 'executing',
      error: {
        code: 'outcome_unknown',
        message: 'one web105: the request was sent to Proxmox. Its outcome cannot be recorded. The store is away.',
        details: { run_id: run?.id },
      },
    });
    expect(run?.error?.details).not.toHaveProperty('upid');
    expect(ports.inFlight.left).toEqual(new Set([run?.id]));
    expect(ports.lines).toEqual(['error: recording the end of a run failed and is retried']);
    // As the next call of this process does it: nothing is sent again, and its line in the audit is not written twice.
    ports.instead('runs', { end: store.runs.end });
    const again = await executeRun(run as RunRecord, { maySend: true, caller: asker() }, ports);
    expect(again).toMatchObject({ status: 'succeeded', steps: [{ id: 'one', state: 'done' }] });
    expect(ports.sent).toEqual(['one']);
    expect(kinds(ports)).toEqual(['intent executing', 'outcome succeeded']);
  });

  it('of the journal names the task, and continues from what this process knows', async () => {
    const ports = world();
    let writings = 0;
    ports.instead('runs', {
      async journal(...given: Parameters<Store['runs']['journal']>) {
        writings += 1;
        if (writings === 3) throw new Error('disk full');
        return store.runs.journal(...given);
      },
    });
    ports.proxmox.send = async (gate, request) => {
      await gate.still?.();
      ports.sent.push(request.stepId);
      return { kind: 'task', upid: 'UPID:x' };
    };
    const run = await ended(ports, { plan: planOf({ steps: [{ ...one, task: { type: 't', id: '', node: 'pve', timeoutSeconds: 9 } }] }) });
    expect(run?.error).toMatchObject({
      code: 'outcome_unknown',
      message: 'one web105: the request was sent to Proxmox (task UPID:x). Its outcome cannot be recorded. The store cannot be written.',
      details: { upid: 'UPID:x' },
    });
    ports.proxmox.waitTask = async (upid) => ({ upid, running: false, exit: 'OK' });
    const again = await executeRun({ ...(run as RunRecord), steps: [] }, { maySend: true, caller: asker() }, ports);
    expect(again).toMatchObject({ status: 'succeeded', steps: [{ upid: 'UPID:x' }] });
    expect(ports.sent).toEqual(['one']);
  });

  it('while the intent is written again says that the request may have been sent', async () => {
    const ports = world();
    let writings = 0;
    ports.instead('runs', {
      journal: async (...given: Parameters<Store['runs']['journal']>) => (++writings === 2 ? away() : store.runs.journal(...given)),
    });
    ports.proxmox.send = async (gate) => {
      await gate.still?.();
      throw new Error('it left');
    };
    expect((await ended(ports))?.error?.message).toBe(
      'one web105: the request may have been sent to Proxmox. Its outcome cannot be recorded. The store is away.',
    );
  });

  it('of several guests names the request that is open, not the newest one', async () => {
    const ports = world();
    ports.instead('runs', {
      journal: async (...given: Parameters<Store['runs']['journal']>) =>
        given[2].some(({ state }) => state === 'sent') ? away() : store.runs.journal(...given),
    });
    let isDone = () => {};
    const second = new Promise<void>((resolve) => {
      isDone = resolve;
    });
    ports.proxmox.send = async (gate, request) => {
      await gate.still?.();
      if (request.stepId === 'two') return { kind: 'done', data: null };
      await second;
      return { kind: 'task', upid: 'UPID:one' };
    };
    const task = { type: 't', id: '', node: 'pve', timeoutSeconds: 9 };
    const check = { kind: 'check', id: 'after', lane: 106, that: { kind: 'guest', type: 'qemu', vmid: 106, node: 'pve', is: 'stopped' } };
    const laned = [
      { ...one, task, lane: 105 },
      { ...requestStep('two'), lane: 106 },
      { ...check, purpose: 'two is stopped' },
    ] as Step[];
    ports.proxmox.holds = async () => {
      isDone();
      return true;
    };
    expect((await ended(ports, { plan: planOf({ steps: laned }) }))?.error).toMatchObject({
      code: 'outcome_unknown',
      message: 'one web105: the request was sent to Proxmox (task UPID:one). Its outcome cannot be recorded. The store is away.',
      details: { upid: 'UPID:one' },
    });
  });

  it('before the first step says that nothing was sent', async () => {
    const ports = world();
    ports.instead('runs', { journal: away });
    expect((await ended(ports))?.error).toMatchObject({
      code: 'store_unavailable',
      message: 'The store is away. Nothing was sent to Proxmox.',
    });
  });

  it('does not count when another process took the run over: its row has the status', async () => {
    const ports = world();
    ports.instead('runs', { journal: async () => false });
    const run = await ended(ports);
    expect(run).toMatchObject({ status: 'executing' });
    expect(run).not.toHaveProperty('error');
    expect(ports.inFlight.known.size).toBe(0);
    expect(ports.lines).toEqual(['warn: another process took this run over']);
    expect(kinds(ports)).toEqual(['intent executing']);
    const silent = world();
    silent.instead('runs', { journal: async () => false, get: away });
    expect(await ended(silent)).toMatchObject({ status: 'executing', principal: 'local:agent' });
  });

  it('does not count either when the store never had the run, and the log names no other process', async () => {
    const ports = world();
    ports.instead('runs', { journal: async () => false, get: async () => undefined });
    expect(await ended(ports)).toMatchObject({ status: 'executing', principal: 'local:agent' });
    expect(ports.lines).toEqual(['warn: the beginning of this run was never stored']);
  });
});

describe('the reservations of a run', () => {
  const run = (ports: World, over: Partial<Plan> = {}) =>
    runOf({ id: `run-${ports.cluster.name}`, cluster: ports.cluster.name, plan: { ...making, ...over } });
  const settled = async (outcome: { made: boolean; failed: boolean }, free: unknown, over: Partial<Plan> = {}) => {
    const ports = world();
    const { id } = await reserve(ports, `set-${clusters}`);
    await store.reservations.setRun(id, `run-${ports.cluster.name}`);
    ports.answers['/cluster/nextid'] = free;
    const steps = outcome.made ? [{ id: 'one', state: 'done' as const, at: iso(0) }] : [];
    await reconcileReservations({ ...run(ports, over), steps, status: outcome.failed ? 'failed' : 'succeeded', endedAt: iso(0) }, ports);
    return reserved(ports);
  };
  const taken = new ProxmoxMcpError('conflict', 'taken');

  it('count while the guest exists or may exist, and are released when nothing is left', async () => {
    expect(await settled({ made: true, failed: false }, 200)).toEqual(['made']);
    expect(await settled({ made: false, failed: false }, 200)).toEqual(['made']);
    expect(await settled({ made: false, failed: true }, taken)).toEqual([]);
    expect(await settled({ made: true, failed: true }, taken)).toEqual(['made']);
    expect(await settled({ made: true, failed: true }, 200)).toEqual([]);
    expect(await settled({ made: true, failed: true }, new Error('away'))).toEqual(['made']);
    expect(await settled({ made: true, failed: true }, 200, { demand: { ...demand, newGuests: 0 } })).toEqual(['made']);
    const { demand: _demand, ...growing } = making;
    expect(await settled({ made: true, failed: true }, 200, { ...growing, demand: undefined as never })).toEqual(['made']);
  });

  it('are reconciled with the run, and kept while a guest may still be made', async () => {
    for (const [answer, states] of [
      [{ kind: 'done', data: null }, ['made']],
      [new ProxmoxMcpError('locked', 'x'), []],
      [{ kind: 'unknown', reason: '' }, ['held']],
    ] as const) {
      const ports = world();
      const reservation = await reserve(ports, `run-end-${clusters}`);
      ports.inFlight.reservations.add(reservation.id);
      ports.proxmox.send = async () => {
        if (answer instanceof Error) throw answer;
        return answer;
      };
      await ended(ports, { plan: making, reservations: [reservation] });
      expect(await reserved(ports)).toEqual(states);
      expect(ports.inFlight.reservations.size).toBe(0);
    }
  });

  it('of several guests are released for the one that Proxmox refused, and kept for the one that may still be made', async () => {
    const ports = world();
    const wish = { cluster: ports.cluster.name, newGuest: true, worker: 'me', leaseUntil: iso(30), now: iso(0) };
    const reservations = [];
    for (const vmid of [200, 201]) {
      const taken = await store.reservations.reserve({ ...wish, id: `each-${clusters}-${vmid}`, name: `each${vmid}` }, () => vmid);
      if ('mine' in taken) reservations.push(taken.mine);
    }
    ports.proxmox.send = async (_gate, { stepId }) => {
      if (stepId === 'create-200') throw new ProxmoxMcpError('storage_unavailable', 'no space left');
      return { kind: 'unknown', reason: '' };
    };
    const { demand: _demand, ...several } = making;
    const plan = {
      ...several,
      steps: [200, 201].map((vmid) => ({ ...requestStep(`create-${vmid}`), lane: vmid })),
      makes: [200, 201].map((vmid) => ({ demand: { ...demand, vmid } })),
    } as Plan;
    expect(await ended(ports, { plan, reservations })).toMatchObject({ status: 'unknown' });
    const left = await store.reservations.all(ports.cluster.name);
    expect(left.map(({ vmid, state }) => ({ vmid, state }))).toEqual([{ vmid: 201, state: 'held' }]);
  });

  it('are released once the guest was deleted', async () => {
    const ports = world();
    const { id } = await reserve(ports, `forget-${clusters}`);
    await store.reservations.setRun(id, 'r');
    await store.reservations.markMade('r', iso(0));
    const absent = { kind: 'guest', type: 'qemu', vmid: 200, node: 'pve', is: 'absent' } as const;
    for (const expected of [[], [{ ...absent, is: 'running' as const }], [{ ...absent, kind: 'location' as const }]])
      await forget(runOf({ plan: planOf({ expected }) }), ports);
    expect(await reserved(ports)).toEqual(['made']);
    ports.proxmox.holds = async () => true;
    await ended(ports, { plan: planOf({ steps: [one], expected: [absent] }) });
    expect(await reserved(ports)).toEqual([]);
  });
});

describe('a guest that was made here', () => {
  const config = { name: 'web', smbios1: 'uuid=00000000-0000-4000-8000-000000000001', digest: 'd' };
  const shown = (ports: World, node: string, type = 'qemu', named: object = config) =>
    Object.assign(ports.answers, {
      [`/nodes/${node}/${type}/200/config`]: named,
      [`/nodes/${node}/${type}/200/pending`]: Object.entries(named).map(([key, value]) => ({ key, value })),
      [`/nodes/${node}/${type}/200/status/current`]: { status: 'stopped', vmid: 200 },
      [`/nodes/${node}/${type}/200/snapshot`]: [],
    });
  const made = async (ports: World) => store.guests.madeVmids(ports.cluster.name);
  const run = (over: Partial<Plan> = {}) => runOf({ id: 'run_made', plan: { ...making, ...over } });

  it('is remembered by its own key and its name, where it was made', async () => {
    const ports = world();
    const { id } = await reserve(ports, `made-${clusters}`);
    await store.reservations.setRun(id, 'run_made');
    await store.reservations.setDemand(id, { node: 'two', type: 'qemu', cpu: 1, memoryMib: 1, diskGib: 1, space: {} });
    shown(ports, 'two');
    await remember(run(), ports);
    expect(await made(ports)).toEqual([200]);
    const key = '00000000-0000-4000-8000-000000000001';
    expect(await store.guests.made(ports.cluster.name, 200, key)).toBe(true);
    expect(await store.guests.names(ports.cluster.name, key)).toEqual(['web']);
  });

  it('is searched for where the lists show it, and left out where it cannot be seen', async () => {
    const ports = world();
    ports.answers['/cluster/resources'] = [{ vmid: 200, type: 'qemu', node: 'three', status: 'stopped' }];
    shown(ports, 'three');
    await remember(run(), ports);
    expect(await made(ports)).toEqual([200]);
    const unseen = world();
    await remember(run(), unseen);
    expect(await made(unseen)).toEqual([]);
  });

  it('is one that a plan makes or finishes, not one that it changes', async () => {
    for (const [over, vmids] of [
      [{ demand: { ...demand, newGuests: 0 } }, []],
      [{ demand: undefined }, []],
      [{ demand: { ...demand, newGuests: 0 }, continues: 'run_0' }, [200]],
    ] as [Partial<Plan>, number[]][]) {
      const ports = world();
      ports.answers['/cluster/resources'] = [{ vmid: 200, type: 'qemu', node: 'pve', status: 'stopped' }];
      shown(ports, 'pve');
      await remember(run(over), ports);
      expect(await made(ports)).toEqual(vmids);
    }
  });

  it('is remembered also when a later step failed, and not when nothing was done', async () => {
    const two = requestStep('two');
    for (const failing of ['one', 'two']) {
      const ports = world();
      ports.answers['/cluster/resources'] = [{ vmid: 200, type: 'qemu', node: 'pve', status: 'stopped' }];
      shown(ports, 'pve');
      ports.proxmox.send = async (_gate, { stepId }) => {
        if (stepId === failing) throw new ProxmoxMcpError('locked', 'x');
        return { kind: 'done', data: null };
      };
      await ended(ports, { plan: { ...making, steps: [one, two] } });
      expect(await made(ports)).toEqual(failing === 'two' ? [200] : []);
    }
  });
});

describe('the error of a run that did a part', () => {
  const steps = [one, requestStep('two'), requestStep('three')];
  const done: StepRecord = { id: 'one', state: 'done', at: '' };
  const failed: StepRecord = { id: 'two', state: 'failed', at: '' };
  const fault = new ProxmoxMcpError('locked', 'It is locked', { hint: 'Wait.', details: { a: 1 } });
  const said = (over: Partial<Plan>, records = [done, failed], status: RunRecord['status'] = 'failed', error = fault) =>
    explain(runOf({ plan: planOf({ steps, ...over }) }), { steps: records, status }, error);

  it('is as it was when nothing was done', () => {
    expect(said({}, [failed])).toBe(fault);
  });
  it('says what was done before and what was not', () => {
    expect(said({})).toMatchObject({
      code: 'locked',
      message: 'It is locked. Done before: one web105. Not done: two web105; three web105.',
      hint: 'Wait.',
      details: { a: 1, vmid: 105, done: ['one web105'], not_done: ['two web105', 'three web105'] },
    });
    expect(said({}).details).not.toHaveProperty('cleanup');
    for (const end of ['.', '!', '?'])
      expect(said({}, [done], 'failed', new ProxmoxMcpError('locked', `No${end}`)).message).toContain(`No${end} Done before`);
  });
  it('names the call that finishes a half-made guest, and the one that cleans up', () => {
    const half = said({ ...making, steps });
    expect(half.hint).toBe(
      'Wait. Call again with the same arguments. Only the missing steps are sent. To clean up instead: delete_vm {"vmid": 200}',
    );
    expect(half.details).toMatchObject({
      vmid: 200,
      unfinished: { run_id: 'run_1', not_done: ['two web105', 'three web105'] },
      cleanup: 'delete_vm {"vmid": 200}',
    });
    expect(half.details).not.toHaveProperty('not_done');
    const open = said({ ...making, steps }, [done], 'unknown');
    expect(open.hint).toBe('Wait. To clean up: delete_vm {"vmid": 200}');
    expect(open.details).toHaveProperty('not_done');
    const further = said({ continues: 'run_0' }, [failed]);
    expect(further.message).toBe('It is locked. Not done: one web105; two web105; three web105.');
    expect(further.hint).toContain('Call again with the same arguments');
  });
  it('counts requests alone', () => {
    const wait = { kind: 'wait', id: 'w', purpose: 'waited', until: {}, timeoutSeconds: 1 } as never;
    const { message } = said({ steps: [wait, ...steps] }, [done, { ...done, id: 'w' }]);
    expect(message).toBe('It is locked. Done before: one web105. Not done: two web105; three web105.');
    const { target: _t, ...nothing } = planOf({ steps });
    expect(explain(runOf({ plan: nothing }), { steps: [done], status: 'failed' }, fault).details).not.toHaveProperty('vmid');
  });
});

it('the audit of a run names the approval that covered it', () => {
  expect(auditRun(runOf(), asker())).toEqual({
    operation: 'stop_vm',
    cluster: 'c',
    principal: 'local:agent',
    owner: 'local:agent',
    channel: 'stdio',
    args: { vmid: 105 },
    target: expect.objectContaining({ vmid: 105, name: guest(105).name }),
    runId: 'run_1',
    planDigest: 'd',
  });
  expect(auditRun(runOf({ approvalId: 'a', leaseId: 'l' }), asker())).toMatchObject({ approvalId: 'a', leaseId: 'l' });
});
