import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { Answer, ApprovalMethod, ApprovalRecord } from '../../../src/core/plan/approval.ts';
import type { Plan } from '../../../src/core/plan/plan.ts';
import type { PolicyRule } from '../../../src/core/settings/policy.ts';
import type { ApprovalMode } from '../../../src/core/settings/settings.ts';
import { setPassphrase } from '../../../src/engine/approvals/passphrase.ts';
import { redeem } from '../../../src/engine/approvals/redeem.ts';
import { requestApproval } from '../../../src/engine/approvals/requests.ts';
import { Deadline } from '../../../src/engine/calls/deadline.ts';
import type { PerformOptions } from '../../../src/engine/types.ts';
import type { ChangeOperation } from '../../../src/operations/define.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { asker, guest, iso, type Parts, parts, planOf, requestStep } from '../../helpers/parts.ts';

let store: Store;
let dataDir: string;
let clusters = 0;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'redeem-'));
  store = await openStore({ dataDir });
});
afterEach(() => rmSync(join(dataDir, 'approver.scrypt'), { force: true }));
afterAll(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true });
});

const step = requestStep('stop');
const stop = planOf({ steps: [step] });
const anna = asker({ principal: 'anna', owner: 'anna', channel: 'cli', isOperator: true, canAsk: { terminal: true, elicitation: false } });

interface World {
  ports: Parts;
  sent: string[];
  operation: ChangeOperation;
  /** The facts that planning finds now. */
  now: Plan;
  ask(over?: Partial<{ plan: Plan; method: ApprovalMethod; needed: number; caller: Caller }>): Promise<ApprovalRecord>;
  redeem(approval: ApprovalRecord, caller?: Caller, options?: PerformOptions): ReturnType<typeof redeem>;
}
function world({
  mode = 'relay',
  rules = [],
  reserves,
}: {
  mode?: ApprovalMode;
  rules?: Partial<PolicyRule>[];
  reserves?: object;
} = {}): World {
  const policy = { rules: rules.map((rule) => ({ match: {}, never: false, ...rule })), perHour: {} };
  const ports = parts(store, { dataDir, approval: { mode, ttlSeconds: 900, maxPendingPerPrincipal: 9 }, policy });
  clusters += 1;
  const sent: string[] = [];
  Object.assign(ports.proxmox, {
    cluster: `c${clusters}`,
    async send(gate: { pass(request: object): void }, request: { stepId: string }) {
      gate.pass(request);
      sent.push(request.stepId);
      return { kind: 'done', data: null };
    },
  });
  const operation = {
    name: 'stop_vm',
    sends: { 'POST /nodes/{node}/qemu/{vmid}/status/{command}': [] },
    effect: 'disrupt',
    input: z.object({ vmid: z.number() }),
    output: z.object({ done: z.boolean() }),
    plan: async () => made.now,
    report: async () => ({ done: true }),
    ...(reserves ? { reserves: () => reserves } : {}),
  } as unknown as ChangeOperation;
  const made: World = {
    ports,
    sent,
    operation,
    now: stop,
    ask: ({ plan = stop, method = 'relay', needed = 1, caller = asker() } = {}) =>
      requestApproval(
        { operation, args: { vmid: 105 }, caller, options: {}, deadline: new Deadline('end', 0, ports), plan, method, needed },
        ports,
      ),
    redeem: (approval, caller = asker(), options = {}) =>
      redeem(approval, { operation, caller, options, deadline: new Deadline(options.wait ?? 'end', ports.clock.now(), ports) }, ports),
  };
  return made;
}
const yes = (approval: ApprovalRecord, over: Partial<Answer> = {}): PerformOptions => ({
  answer: { approvalId: approval.id, via: 'terminal', typed: 'web105 105', ...over },
});
const done = { kind: 'done', output: { done: true } };
const code = (of: string) => expect.objectContaining({ code: of });
const decisions = ({ ports }: World) => ports.told.filter(({ kind }) => kind === 'decision');

describe('a decision', () => {
  it('an agent relays the approval where that is enough, and the plan is executed once', async () => {
    const here = world();
    const approval = await here.ask();
    expect(await here.redeem(approval)).toEqual(done);
    expect(here.sent).toEqual(['stop']);
    expect(decisions(here)).toMatchObject([{ status: 'approved', decidedVia: 'relay' }]);
    expect(await store.approvals.get(approval.id)).toMatchObject({ status: 'succeeded', decidedBy: 'local:agent', decidedVia: 'relay' });
    await expect(here.redeem(approval)).rejects.toEqual(code('approval_used'));
    expect(here.sent).toEqual(['stop']);
  });

  it.each<[ApprovalMethod, Partial<Caller['canAsk']>, string]>([
    ['elicitation', { elicitation: true }, 'question'],
    ['elicitation', { terminal: true }, 'question'],
    ['elicitation', {}, 'approval_required'],
    ['terminal', { terminal: true }, 'question'],
    ['terminal', { elicitation: true }, 'approval_required'],
    ['human', { terminal: true, elicitation: true }, 'approval_required'],
    ['relay', { terminal: true, elicitation: true }, 'done'],
  ])('%s with %o: %s', async (method, can, kind) => {
    const here = world();
    const caller = asker({ channel: 'cli', canAsk: { elicitation: false, terminal: false, ...can } });
    const result = await here.redeem(await here.ask({ method }), caller);
    expect(result.kind).toBe(kind);
    if (result.kind === 'question')
      expect(result.question).toMatchObject({
        mustType: 'web105 105',
        needsPassphrase: false,
        method: can.terminal ? 'terminal' : 'elicitation',
      });
    expect(here.sent).toEqual(kind === 'done' ? ['stop'] : []);
  });

  it('the operator is always asked', async () => {
    const here = world();
    expect(await here.redeem(await here.ask(), anna)).toMatchObject({ kind: 'question' });
    expect(here.sent).toEqual([]);
  });

  it('an answer counts for the method by which it was given; in the terminal of the operator it is that of a human', async () => {
    for (const [method, via, caller, kind] of [
      ['elicitation', 'elicitation', asker(), 'done'],
      ['elicitation', 'terminal', asker(), 'done'],
      ['terminal', 'elicitation', asker(), 'approval_required'],
      ['human', 'terminal', asker(), 'approval_required'],
      ['human', 'terminal', anna, 'done'],
      ['human', 'elicitation', anna, 'approval_required'],
    ] as const) {
      const here = world();
      const approval = await here.ask({ method });
      expect((await here.redeem(approval, caller, yes(approval, { via }))).kind, `${method} ${via}`).toBe(kind);
      if (kind === 'done' && caller === anna) expect(decisions(here)).toMatchObject([{ decidedVia: 'human', principal: 'anna' }]);
    }
  });

  it('the stricter counts: the mode at the request or now, a rule of now', async () => {
    const mode = world({ mode: 'human' });
    expect((await mode.redeem(await mode.ask({ method: 'relay' }))).kind).toBe('approval_required');
    const then = world();
    expect((await then.redeem(await then.ask({ method: 'human' }))).kind).toBe('approval_required');
    const rule = world({ rules: [{ match: { principal: ['local:agent'] }, method: 'human' }] });
    const approval = await rule.ask({ method: 'terminal' });
    expect((await rule.redeem(approval, asker({ principal: 'x' }), yes(approval))).kind).toBe('approval_required');
    expect(rule.sent).toEqual([]);
  });

  it('is marked when the answer came faster than a person reads', async () => {
    const here = world();
    const approval = await here.ask({ method: 'elicitation' });
    await here.redeem(approval, asker(), yes(approval, { via: 'elicitation', seconds: 1 }));
    expect((await store.approvals.get(approval.id))?.note).toContain('answered within 2 s');
    expect(decisions(here)[0]).toMatchObject({ message: expect.stringContaining('answered within 2 s') });
    const slow = world();
    const other = await slow.ask({ method: 'elicitation' });
    await slow.redeem(other, asker(), yes(other, { via: 'elicitation', seconds: 20 }));
    expect(await store.approvals.get(other.id)).not.toHaveProperty('note');
  });

  it('asks the operator for the passphrase where one is set, unless they gave it when they logged in', async () => {
    await setPassphrase(dataDir, 'correct horse');
    const here = world();
    const approval = await here.ask({ method: 'human' });
    expect(await here.redeem(approval, anna)).toMatchObject({ question: { needsPassphrase: true } });
    for (const passphrase of [undefined, 'wrong'])
      await expect(here.redeem(approval, anna, yes(approval, passphrase ? { passphrase } : {}))).rejects.toEqual(
        code('approval_not_confirmed'),
      );
    expect(here.sent).toEqual([]);
    const verified = { ...anna, passphraseVerified: true };
    expect(await here.redeem(approval, verified)).toMatchObject({ question: { needsPassphrase: false } });
    expect(await here.redeem(approval, anna, yes(approval, { passphrase: 'correct horse' }))).toEqual(done);
    const other = world();
    const second = await other.ask({ method: 'human' });
    expect(await other.redeem(second, verified, yes(second))).toEqual(done);
    const relayed = world();
    expect(await relayed.redeem(await relayed.ask())).toEqual(done);
  });

  it('is not made by the requesting owner: an approver never, the operator not about a request over HTTP', async () => {
    const hint = async (asking: Partial<Caller>, deciding: Partial<Caller>) => {
      const here = world();
      const approval = await here.ask({ caller: asker({ owner: 'Anna', ...asking }) });
      const result = await here.redeem(approval, { ...anna, ...deciding }).catch((error) => error);
      return result.kind === 'question' ? 'asked' : `${result.code}: ${result.hint}`;
    };
    expect(await hint({ channel: 'http' }, {})).toMatch(/^forbidden_by_policy: Ask an approver with another owner/);
    expect(await hint({}, { role: 'approver', channel: 'console' })).toMatch(/^forbidden_by_policy: Decide it in a terminal/);
    expect(await hint({}, {})).toBe('asked');
    expect(await hint({ channel: 'http', owner: 'bert' }, {})).toBe('asked');
    const agent = world();
    expect(await agent.redeem(await agent.ask({ caller: asker({ channel: 'http' }) }), asker())).toEqual(done);
  });
});

describe('several people', () => {
  const bert = { ...anna, principal: 'bert', owner: 'bert' };
  it('have to agree, each owner once, as demanded at the request or now', async () => {
    for (const here of [world(), world({ rules: [{ approvals: 2 }] })]) {
      const approval = await here.ask({ method: 'human', needed: here.ports.settings.policy.rules.length > 0 ? 1 : 2 });
      for (const owner of ['anna', 'Anna']) {
        here.ports.clock.at += 1;
        expect(await here.redeem(approval, { ...anna, owner }, yes(approval))).toMatchObject({
          kind: 'approval_required',
          approval: { needed: 2, agreedBy: ['anna'] },
        });
      }
      expect(here.sent).toEqual([]);
      expect(await here.redeem(approval, bert, yes(approval))).toEqual(done);
      expect(decisions(here).map(({ status }) => status)).toEqual(['agreed 1 of 2', 'agreed 1 of 2', 'agreed 2 of 2', 'approved']);
      expect((await store.runs.recent({ cluster: here.ports.proxmox.cluster, limit: 1 }))[0]).toMatchObject({ principal: 'local:agent' });
    }
  });
});

describe('the executed plan is the approved one', () => {
  it('a plan that differs now is stale, and says what differs', async () => {
    const here = world();
    const approval = await here.ask();
    here.now = planOf({ steps: [step], target: guest(105, { name: 'renamed' }) });
    await expect(here.redeem(approval)).rejects.toMatchObject({
      code: 'approval_stale',
      message: 'Not done: stop web105 (105). Since the request: the name was web105, it is renamed.',
      details: { differences: ['the name was web105, it is renamed'] },
    });
    expect(await store.approvals.get(approval.id)).toMatchObject({
      status: 'stale',
      note: 'the name was web105, it is renamed',
      decidedAt: iso(0),
    });
    expect(decisions(here)).toMatchObject([{ status: 'stale', message: 'the name was web105, it is renamed' }]);
    expect(here.sent).toEqual([]);
    await expect(here.redeem({ ...approval, status: 'pending' })).rejects.toEqual(code('approval_stale'));
    expect(decisions(here)).toHaveLength(1);
  });

  it('a plan with nothing left to do is stale, too', async () => {
    const here = world();
    const approval = await here.ask();
    here.now = { ...stop, existing: { done: true } };
    await expect(here.redeem(approval)).rejects.toEqual(code('approval_stale'));
  });

  it('an approval whose stored plan was changed is refused and ended, with both digests', async () => {
    const here = world();
    const approval = await here.ask();
    const forged = { ...approval, plan: planOf({ steps: [requestStep('delete')] }) };
    await expect(here.redeem(forged)).rejects.toMatchObject({
      code: 'approval_mismatch',
      message: expect.stringContaining(approval.digest),
    });
    expect(await store.approvals.get(approval.id)).toMatchObject({ status: 'stale', decidedAt: iso(0) });
    expect(decisions(here)).toMatchObject([{ status: 'stale', message: expect.stringContaining('the stored plan has the digest') }]);
    expect(here.sent).toEqual([]);
  });

  const rows = (pool: string) => [{ vmid: 105, type: 'qemu', node: 'pve', status: 'running', pool }];
  const scoped = asker({ scope: { pools: ['agents'] } });
  it('the scope of the requester holds at the decision, for guests that are there', async () => {
    const here = world();
    here.ports.answers['/cluster/resources'] = rows('agents');
    const approval = await here.ask({ caller: scoped });
    here.ports.answers['/cluster/resources'] = rows('prod');
    await expect(here.redeem(approval)).rejects.toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('the requester is limited to pool agents, and guest 105 is outside of it'),
    });
    const gone = world();
    const other = await gone.ask({ caller: scoped });
    gone.ports.answers['/cluster/resources'] = [];
    await expect(gone.redeem(other)).rejects.toMatchObject({ code: 'forbidden_by_policy' });
    const stays = world();
    stays.ports.answers['/cluster/resources'] = rows('agents');
    expect(await stays.redeem(await stays.ask({ caller: scoped }))).toEqual(done);
  });

  it('the pools and tags that were evaluated hold at the decision', async () => {
    const placed = { ...stop, placed: [{ vmid: 105, pool: 'agents' }] };
    const here = world();
    here.ports.answers['/cluster/resources'] = rows('agents');
    expect(await here.redeem(await here.ask({ plan: placed }))).toEqual(done);
    const moved = world();
    moved.ports.answers['/cluster/resources'] = rows('prod');
    await expect(moved.redeem(await moved.ask({ plan: placed }))).rejects.toEqual(code('approval_stale'));
    expect(moved.sent).toEqual([]);
  });

  it('a limit per hour refuses it and leaves the approval pending', async () => {
    const here = world();
    here.ports.settings.policy.perHour.destroys = 0;
    const destroy = { ...stop, effect: 'destroy' as const };
    here.now = destroy;
    const approval = await here.ask({ plan: destroy });
    await expect(here.redeem(approval)).rejects.toEqual(code('rate_limited'));
    expect(await store.approvals.get(approval.id)).toMatchObject({ status: 'pending' });
  });

  it('is not executed when another call used the approval in the same moment', async () => {
    const here = world();
    const approval = await here.ask();
    const { begin } = store.runs;
    here.ports.store = async () => ({
      ...store,
      runs: {
        ...store.runs,
        async begin(...given) {
          await store.approvals.move(approval.id, 'pending', 'denied', {});
          return begin(...given);
        },
      },
    });
    await expect(here.redeem(approval)).rejects.toEqual(code('approval_denied'));
    expect(here.sent).toEqual([]);
    expect(decisions(here)).toEqual([]);
  });
});

describe('a guest that is to be made', () => {
  const demand = {
    newGuests: 1 as const,
    vmid: 300,
    after: { cpu: 1, memoryMib: 512, diskGib: 1 },
    before: { cpu: 0, memoryMib: 0, diskGib: 0 },
  };
  const { target: _, ...rest } = planOf({ steps: [step], node: 'pve', demand });
  const making = { ...rest, after: { name: 'new' } } as Plan;
  function maker(reserves: object = { name: 'new' }) {
    const here = world({ reserves });
    here.now = making;
    Object.assign(here.ports.answers, { '/cluster/resources': [], '/cluster/nextid': 300, '/nodes/pve/storage': [] });
    return here;
  }
  const held = async (here: World) =>
    (await store.reservations.all(here.ports.proxmox.cluster)).map(({ vmid, state }) => `${vmid} ${state}`);

  it('is reserved again under the VMID that was shown', async () => {
    const here = maker();
    expect(await here.redeem(await here.ask({ plan: making }))).toEqual(done);
    expect(await held(here)).toEqual(['300 made']);
  });

  it('is given back when it is stale', async () => {
    const here = maker();
    const approval = await here.ask({ plan: making });
    here.now = { ...making, steps: [requestStep('other')] };
    await expect(here.redeem(approval)).rejects.toEqual(code('approval_stale'));
    expect(await held(here)).toEqual([]);
  });

  it('is stale when the VMID belongs to another guest now, and not when that cannot be seen', async () => {
    const here = maker();
    here.ports.proxmox.holds = async () => false;
    await expect(here.redeem(await here.ask({ plan: making }))).rejects.toMatchObject({
      code: 'approval_stale',
      message: expect.stringContaining('VMID 300 now belongs to another guest'),
    });
  });

  it('does not wait: the approval stays while another call makes the guest, and the reservation of a gone process is taken over', async () => {
    const here = maker();
    const approval = await here.ask({ plan: making });
    const request = { id: `rsv-${clusters}`, cluster: here.ports.proxmox.cluster, name: 'NEW', newGuest: true, now: iso(0) };
    const alive = JSON.stringify({ host: 'another', pid: 1, start: '', engine: 'e' });
    await store.reservations.reserve({ ...request, worker: alive, leaseUntil: iso(10) }, () => 300);
    await expect(here.redeem(approval)).rejects.toMatchObject({
      code: 'conflict',
      message: 'Another call is creating new or VMID 300 right now.',
    });
    expect(await store.approvals.get(approval.id)).toMatchObject({ status: 'pending' });
    expect(await held(here)).toEqual(['300 held']);
    here.ports.clock.at = 11;
    expect(await here.redeem(approval)).toEqual(done);
    expect(await held(here)).toEqual(['300 made']);
  });

  it('is not taken from a run, or from what was made', async () => {
    for (const [n, state] of ['running', 'made'].entries()) {
      const here = maker();
      const approval = await here.ask({ plan: making });
      const id = `rsv-${clusters}-${n}`;
      const request = {
        id,
        cluster: here.ports.proxmox.cluster,
        name: 'new',
        newGuest: true,
        now: iso(0),
        worker: 'w',
        leaseUntil: iso(-1),
      };
      await store.reservations.reserve(request, () => 300);
      await store.reservations.setRun(id, `run-${id}`);
      if (state === 'made') await store.reservations.markMade(`run-${id}`, iso(0));
      await expect(here.redeem(approval)).rejects.toEqual(code('conflict'));
    }
  });
});

describe('a human who decides elsewhere', () => {
  /** Runs `then` once that many seconds were waited. */
  const whenWaited = (here: World, seconds: number, then: () => Promise<unknown>) => {
    const { clock } = here.ports;
    const sleep = clock.sleep.bind(clock);
    let once = false;
    clock.sleep = async (ms) => {
      await sleep(ms);
      if (!once && clock.at >= seconds) {
        once = true;
        await then();
      }
    };
  };

  it('is waited for as long as the caller wants, and not at all by default', async () => {
    const here = world();
    const approval = await here.ask({ method: 'human' });
    expect(await here.redeem(approval)).toMatchObject({ kind: 'approval_required', approval: { id: approval.id }, waited: 0 });
    expect(here.ports.clock.at).toBe(0);
    expect(await here.redeem(approval, asker(), { waitForHuman: 60 })).toMatchObject({ waited: 60 });
    expect(here.ports.clock.at).toBeLessThan(61);
    expect(await here.redeem(approval, asker(), { waitForHuman: 60, wait: 5 })).toMatchObject({ waited: 5 });
    expect(await here.redeem(approval, asker(), { wait: 5 })).toMatchObject({ waited: 5 });
    expect(await here.redeem(approval, asker(), { waitForHuman: 60, signal: AbortSignal.abort() })).toMatchObject({ waited: 0 });
  });

  it('lets the waiting call return the outcome', async () => {
    const here = world();
    const approval = await here.ask({ method: 'human' });
    whenWaited(here, 3, () => here.redeem(approval, anna, yes(approval)));
    expect(await here.redeem(approval, asker(), { waitForHuman: 60 })).toEqual(done);
    expect(here.ports.clock.at).toBeLessThan(5);
    expect(here.sent).toEqual(['stop']);
  });

  it('who denies, or does not decide in time, ends the wait', async () => {
    const denied = world();
    const first = await denied.ask({ method: 'human' });
    whenWaited(denied, 3, () => store.approvals.move(first.id, 'pending', 'denied', { note: 'no' }));
    await expect(denied.redeem(first, asker(), { waitForHuman: 60 })).rejects.toMatchObject({ code: 'approval_denied' });
    const late = world();
    const second = await late.ask({ method: 'human' });
    await expect(late.redeem(second, asker(), { wait: 'end' })).rejects.toMatchObject({ code: 'approval_expired' });
    expect(late.ports.clock.at).toBeLessThan(901);
  });

  it('whose run continues ends the wait when the time is over', async () => {
    const here = world();
    const approval = await here.ask({ method: 'human' });
    whenWaited(here, 3, () =>
      store.runs.begin(
        {
          id: `run-${clusters}`,
          operation: 'stop_vm',
          args: { vmid: 105 },
          cluster: here.ports.proxmox.cluster,
          principal: 'x',
          plan: stop,
          digest: 'd',
          startedAt: iso(3),
        },
        'w',
        iso(999),
        { decision: { approvalId: approval.id, decidedBy: 'anna', decidedVia: 'human' } },
      ),
    );
    expect(await here.redeem(approval, asker(), { waitForHuman: 10 })).toMatchObject({ kind: 'running' });
    expect(here.ports.clock.at).toBeLessThan(11);
  });
});
