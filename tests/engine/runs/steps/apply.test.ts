import { describe, expect, it } from 'vitest';
import { ProxmoxMcpError } from '../../../../src/core/errors/errors.ts';
import type { Condition, Plan, Step } from '../../../../src/core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../../../src/core/plan/run.ts';
import type { Dispatch, ProxmoxApi, ResolvedRequest, TaskStatus } from '../../../../src/core/proxmox.ts';
import { PROVEN } from '../../../../src/engine/runs/outcome/follow.ts';
import { apply } from '../../../../src/engine/runs/steps/apply.ts';
import { LostRun, Unwritten } from '../../../../src/engine/runs/steps/journal.ts';
import type { Progress } from '../../../../src/engine/types.ts';
import { guest, iso, parts, planOf, requestStep, runOf } from '../../../helpers/parts.ts';

const UPID = 'UPID:pve:1:2:3:qmstart:105:mcp@pve!agent:';
const LOCKED = "can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout";
const running: Condition = { kind: 'guest', type: 'qemu', vmid: 105, node: 'pve', is: 'running' };
const task = { type: 'qmstart', id: '105', node: 'pve', timeoutSeconds: 60 };
const start = requestStep('start', { task, proof: running, retryOnLock: true });
const set = requestStep('set', { method: 'PUT', path: '/nodes/pve/qemu/105/config', params: { cores: 2 } });
const sent = (over: Partial<StepRecord> = {}): StepRecord => ({ id: 'start', state: 'sent', at: iso(0), upid: UPID, ...over });

interface Script {
  /** The answers to the requests, in order; afterwards at once. */
  answers?: (Dispatch | Error)[];
  /** How each task ends, in order; afterwards well. */
  exits?: string[];
  holds?: (condition: Condition, since?: number) => boolean | undefined | Promise<boolean | undefined>;
  /** Seconds by which the machine's clock is set at the first look. */
  set?: number;
  steps?: StepRecord[];
  maySend?: boolean;
  /** Whether the store still takes the run for ours, and whether it can be written, at each writing. */
  owned?: (writing: number) => boolean;
  expected?: Condition[];
  secrets?: Map<string, string>;
  /** The answer about the run that a UPID belongs to; none by default. */
  byUpid?: () => Promise<RunRecord | undefined>;
  /** The answer about whether a VMID is free. */
  nextid?: unknown;
}
async function applied(steps: Step[], script: Script = {}, plan: Partial<Plan> = {}) {
  const requests: ResolvedRequest[] = [];
  const journal: StepRecord[][] = [];
  const reports: string[] = [];
  const held: unknown[][] = [];
  const ports = parts({
    runs: {
      byUpid: script.byUpid ?? (async () => undefined),
      async journal(_id: string, _worker: string, written: StepRecord[]) {
        journal.push(written.map((one) => ({ ...one })));
        return script.owned?.(journal.length) ?? true;
      },
    },
  });
  if (script.nextid !== undefined) ports.answers['/cluster/nextid'] = script.nextid;
  const answers = [...(script.answers ?? [])];
  const exits = [...(script.exits ?? [])];
  Object.assign(ports.proxmox, {
    async send(gate, request) {
      await gate.still?.();
      gate.pass(request);
      requests.push(request);
      const answer = answers.shift() ?? { kind: 'done', data: null };
      if (answer instanceof Error) throw answer;
      return answer;
    },
    waitTask: async (upid) => ({ upid, running: false, exit: exits.shift() ?? 'OK' }) satisfies TaskStatus,
    async holds(...given) {
      held.push(given);
      ports.clock.set = script.set ?? 0;
      return script.holds?.(...given);
    },
  } satisfies Partial<ProxmoxApi>);
  const run: RunRecord = runOf({ plan: planOf({ steps, expected: script.expected ?? [], ...plan }), steps: script.steps ?? [] });
  const options = {
    maySend: script.maySend ?? true,
    secrets: script.secrets ?? new Map(),
    onProgress: ({ done, total, message }: Progress) => reports.push(`${done}/${total} ${message}`),
  };
  const ended = await apply(run, options, ports).catch((thrown: Error) => ({ thrown }));
  const end = 'thrown' in ended ? undefined : ended;
  return {
    ports,
    thrown: 'thrown' in ended ? ended.thrown : undefined,
    status: end?.status,
    steps: end?.steps,
    error: end?.error,
    sent: requests.map(({ stepId }) => stepId),
    requests,
    journal,
    reports,
    held,
  };
}
const asTask: Dispatch = { kind: 'task', upid: UPID };
const refusal = (message: string) => new ProxmoxMcpError('guest_state', message, { details: { proxmox: { message } } });

describe('a plan', () => {
  it('is sent step by step, each on disk before it leaves and when it came back', async () => {
    const { status, steps, requests, journal, reports } = await applied([set, start], { answers: [{ kind: 'done', data: 'x' }, asTask] });
    expect(status).toBe('succeeded');
    expect(requests).toEqual([
      { stepId: 'set', method: 'PUT', path: '/nodes/pve/qemu/105/config', params: { cores: 2 } },
      { stepId: 'start', method: 'POST', path: '/nodes/pve/qemu/105/status/start', params: {} },
    ]);
    const at = iso(0);
    expect(steps).toEqual([
      { id: 'set', state: 'done', at, data: 'x' },
      { id: 'start', state: 'done', at, upid: UPID, exit: 'OK' },
    ]);
    expect(journal.map((all) => all.at(-1))).toEqual([
      { id: 'set', state: 'intent', at },
      // Once more, when the bytes leave.
      { id: 'set', state: 'intent', at },
      { id: 'set', state: 'done', at, data: 'x' },
      { id: 'start', state: 'intent', at },
      { id: 'start', state: 'intent', at },
      { id: 'start', state: 'sent', at, upid: UPID },
      { id: 'start', state: 'done', at, upid: UPID, exit: 'OK' },
    ]);
    expect(reports).toEqual(['0/2 set web105', '1/2 start web105', `1/2 start web105: task ${UPID}`, '2/2 done']);
  });

  it('keeps no data where Proxmox answered without any', async () => {
    expect((await applied([set])).steps).toStrictEqual([{ id: 'set', state: 'done', at: iso(0) }]);
  });

  it('is sent with its secrets, which are not in the journal', async () => {
    const run = await applied([{ ...set, params: { cipassword: { $secret: 'id' } } }]);
    expect(run.error).toMatchObject({ code: 'interrupted' });
    expect(run.sent).toEqual([]);
  });

  it('ends with the first step that fails, and the others are not sent', async () => {
    const run = await applied([set, start], { answers: [refusal('no')] });
    expect(run.sent).toEqual(['set']);
    expect(run).toMatchObject({ status: 'failed', steps: [{ id: 'set', state: 'failed' }], error: { code: 'guest_state' } });
    expect(run.reports.at(-1)).not.toContain('done');
  });
});

describe('a condition', () => {
  const gone: Condition = { ...running, is: 'absent' };
  const check: Step = { kind: 'check', id: 'c', purpose: 'web105 is absent', that: gone };

  it('before a request stops the plan when it does not, and not when that cannot be seen', async () => {
    expect(await applied([check, set], { holds: () => false })).toMatchObject({
      sent: [],
      status: 'failed',
      error: { code: 'guest_state', message: 'Stopped before the next request, because "web105 is absent" no longer holds.' },
    });
    for (const seen of [true, undefined]) expect((await applied([check, set], { holds: () => seen })).sent).toEqual(['set']);
  });

  it('before a request that was begun is not checked again: the request may have changed it', async () => {
    const begun: StepRecord = { id: 'set', state: 'done', at: iso(0) };
    expect(await applied([check, set, start], { holds: () => false, steps: [begun], answers: [asTask] })).toMatchObject({
      status: 'succeeded',
      sent: ['start'],
    });
    expect(await applied([set, check, start], { holds: () => false, steps: [begun] })).toMatchObject({ status: 'failed', sent: [] });
  });

  it('after the last step that does not hold is written to the last step and the log; one that cannot be seen is not', async () => {
    const holds = (condition: Condition) => {
      if (condition.kind === 'location') throw new Error('away');
      return condition.kind === 'guest' ? condition.is === 'running' : undefined;
    };
    const unseen: Condition[] = [
      { kind: 'location', type: 'qemu', vmid: 105, node: 'pve' },
      { kind: 'backup', vmid: 105, node: 'pve', storage: 'bak' },
    ];
    const both = requestStep('then', { method: 'PUT' });
    const run = await applied([set, both], { holds, expected: [running, gone, ...unseen] });
    expect(run).toMatchObject({ status: 'succeeded', steps: [{ id: 'set' }, { id: 'then', unmet: ['guest 105 is absent'] }] });
    expect(run.steps?.[0]).not.toHaveProperty('unmet');
    expect(run.ports.lines).toEqual(['warn: an expected condition does not hold after the last step']);
    const well = await applied([set], { holds, expected: [running, ...unseen] });
    expect(well.steps?.[0]).not.toHaveProperty('unmet');
    expect(well.ports.lines).toEqual([]);
    // A backup of earlier does not count as the one that the run made.
    expect(well.held).toContainEqual([unseen[1], Date.parse(iso(0)) / 1000 - 5]);
  });
});

describe('a wait', () => {
  const wait: Step = { kind: 'wait', id: 'w', purpose: 'the backup', until: running, timeoutSeconds: 10 };

  it('continues until it holds, whatever is answered meanwhile, with backups counted since the first step', async () => {
    const seen = [false, new Error('away'), undefined, true];
    const holds = () => {
      const next = seen.shift();
      if (next instanceof Error) throw next;
      return next;
    };
    const run = await applied([set, wait], { holds });
    expect(run.status).toBe('succeeded');
    expect(run.ports.clock.at).toBe(3.5);
    expect(run.held[0]).toEqual([running, Date.parse(iso(0)) / 1000 - 5]);
    expect(run.reports).toContain('1/2 wait until the backup: 2 s');
    const adopted = await applied([set, wait], { holds: () => true, steps: [{ id: 'set', state: 'done', at: iso(-60) }] });
    expect(adopted.held).toEqual([[running, Date.parse(iso(-60)) / 1000 - 5]]);
    const first = await applied([wait], { holds: () => true });
    expect(first.held).toEqual([[running, Date.parse(iso(0)) / 1000 - 5]]);
  });

  it.each<[boolean | undefined, string]>([
    [false, 'the backup: still not so after 13 s.'],
    [undefined, 'the backup: unknown after 13 s.'],
  ])('ends with its time (%s)', async (seen, message) => {
    const run = await applied([wait, set], { holds: () => seen });
    expect(run).toMatchObject({ status: 'failed', sent: [], error: { code: 'task_failed', message } });
    expect(run.ports.clock.at).toBe(12.5);
  });

  it.each([7_200, -7_200])('takes as long when the machine sets its clock by %d s meanwhile', async (set) => {
    const soon = [false, false, true];
    expect(await applied([wait], { set, holds: () => soon.shift() })).toMatchObject({ status: 'succeeded' });
    const never = await applied([wait], { set, holds: () => false });
    expect(never).toMatchObject({ status: 'failed', error: { message: 'the backup: still not so after 13 s.' } });
    expect(never.ports.clock.at).toBe(12.5);
  });

  it('does not count the time in which Proxmox gives no answer, up to a quarter of an hour', async () => {
    const away = (times: number) => {
      let left = times;
      return () => {
        if (left-- > 0) throw new ProxmoxMcpError('unreachable', 'Proxmox gave no answer.');
        return left < -2;
      };
    };
    const back = await applied([set, wait], { holds: away(8) });
    expect(back.status).toBe('succeeded');
    expect(back.ports.clock.at).toBeGreaterThan(25);
    const never = await applied([set, wait], { holds: away(Number.POSITIVE_INFINITY) });
    expect(never).toMatchObject({ status: 'failed', error: { code: 'task_failed' } });
    expect(never.ports.clock.at).toBeGreaterThan(15 * 60);
    expect(never.ports.clock.at).toBeLessThan(15 * 60 + 20);
  });

  it('ends when its time is just over', async () => {
    const { ports } = await applied([{ ...wait, timeoutSeconds: 8 }], { holds: () => false });
    expect(ports.clock.at).toBe(7.5);
  });

  it('looks every five seconds at most', async () => {
    const { ports, held } = await applied([{ ...wait, timeoutSeconds: 12 }], { holds: () => false });
    expect(ports.clock.at).toBe(12.5);
    expect(held).toHaveLength(6);
  });
});

describe('a step that another process began', () => {
  it('is passed over when it is done, and never sent again when it may have been', async () => {
    const run = await applied([set, start], { steps: [{ id: 'set', state: 'done', at: iso(0) }, sent()] });
    expect(run).toMatchObject({ status: 'succeeded', sent: [], steps: [{ id: 'set' }, { id: 'start', state: 'done', exit: 'OK' }] });
    const intent: StepRecord = { id: 'start', state: 'intent', at: iso(0) };
    expect(await applied([start], { steps: [intent], holds: () => true })).toMatchObject({
      sent: [],
      status: 'succeeded',
      steps: [{ state: 'done', exit: PROVEN }],
    });
    const unknown: StepRecord = { id: 'start', state: 'unknown', at: iso(0) };
    expect(await applied([start, set], { steps: [unknown], holds: () => false })).toMatchObject({
      sent: [],
      status: 'unknown',
      steps: [{ id: 'start', state: 'unknown' }],
      error: { code: 'outcome_unknown' },
    });
  });

  it('does not stop the next one, unless the process may send nothing more', async () => {
    const steps: StepRecord[] = [{ id: 'set', state: 'done', at: iso(0) }];
    expect((await applied([set, start], { steps, answers: [asTask] })).sent).toEqual(['start']);
    expect(await applied([set, start], { steps, maySend: false })).toMatchObject({
      sent: [],
      status: 'failed',
      error: { code: 'interrupted', message: 'The run was interrupted before "start web105" was sent. It was not sent later.' },
    });
    expect(await applied([start], { steps: [sent()], maySend: false })).toMatchObject({ status: 'succeeded' });
  });

  it('is not sent again although its task met a lock', async () => {
    const run = await applied([start], { steps: [sent()], exits: [LOCKED] });
    expect(run).toMatchObject({ sent: [], status: 'failed', error: { code: 'task_failed' } });
    expect(run.ports.clock.at).toBe(0);
  });

  it('that is marked as failed is failed without a task, and with one its task decides', async () => {
    const { upid: _, ...bare } = sent({ state: 'failed' });
    expect(await applied([start], { steps: [bare] })).toMatchObject({
      status: 'failed',
      error: { code: 'interrupted', message: 'start web105: it failed, and the run was interrupted. Recorded reason: none.' },
    });
    expect(await applied([start], { steps: [sent({ state: 'failed' })] })).toMatchObject({ status: 'succeeded' });
  });
});

describe('an answer without an outcome', () => {
  it('is reconciled from the state that Proxmox shows', async () => {
    const lost: Dispatch = { kind: 'unknown', reason: '596' };
    const run = await applied([start], { answers: [lost], holds: () => true });
    expect(run).toMatchObject({ status: 'succeeded', sent: ['start'], steps: [{ state: 'done', exit: PROVEN }] });
    expect(await applied([start], { answers: [lost], holds: () => false })).toMatchObject({ status: 'unknown', sent: ['start'] });
  });
  it('is reconciled also where the request starts no task', async () => {
    const direct: Step = { ...set, proof: running };
    const lost: Dispatch = { kind: 'unknown', reason: '596' };
    expect(await applied([direct], { answers: [lost], holds: () => false })).toMatchObject({ status: 'unknown', sent: ['set'] });
    expect(await applied([direct], { answers: [lost], holds: () => true })).toMatchObject({ steps: [{ state: 'done', exit: PROVEN }] });
  });
  it('is also one that names no task where one should have begun', async () => {
    expect(await applied([start], { answers: [{ kind: 'done', data: null }], holds: () => true })).toMatchObject({
      steps: [{ state: 'done', exit: PROVEN }],
    });
  });

  it('is not taken from the task of another client: the search continues', async () => {
    const config: Condition = { kind: 'config', type: 'qemu', vmid: 105, node: 'pve', has: { cores: '2' } };
    const tasks = ['other', 'own'];
    const step = requestStep('set', { task, proof: config });
    const looked: string[] = [];
    const run = runOf({ plan: planOf({ steps: [step] }), steps: [{ id: 'set', state: 'unknown', at: iso(0) }] });
    const ports = parts({ runs: { byUpid: async () => undefined, journal: async () => true } });
    Object.assign(ports.proxmox, {
      async findTask({ isTaken }) {
        for (const upid of tasks) if (!(await isTaken?.(upid))) return { upid, running: false };
        return undefined;
      },
      async waitTask(upid) {
        looked.push(upid);
        return { upid, running: false, exit: 'OK' };
      },
      holds: async () => looked.includes('own'),
    } satisfies Partial<ProxmoxApi>);
    const end = await apply(run, { maySend: true, secrets: new Map() }, ports);
    expect(looked).toEqual(['other', 'own']);
    expect(end.steps).toMatchObject([{ state: 'done', upid: 'own', others: ['other'] }]);
  });
});

describe('a task that failed to make a guest', () => {
  const demand = { newGuests: 1, vmid: 150, before: {}, after: {} } as unknown as NonNullable<Plan['demand']>;
  const making = async (exit: string, free: unknown, plan: Partial<Plan> = { demand }) =>
    (await applied([start], { answers: [asTask], exits: [exit], nextid: free }, plan)).error;
  const taken = new ProxmoxMcpError('conflict', 'VM 150 already exists');

  it('says that its VMID is in use, and how to look and clean up: a restore may leave an empty guest', async () => {
    const error = await making('403 Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)', taken);
    expect(error).toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('VMID 150 is in use now. Proxmox may have left an incomplete guest there.'),
      hint: expect.stringContaining('delete_vm {"vmid": 150}'),
      details: { vmid: 150 },
    });
    const lane = { ...start, lane: 150 } as Step;
    const [failed] = [(await applied([lane], { answers: [asTask], exits: ['x'], nextid: taken }, { makes: [{ demand }] })).error];
    expect(failed?.message).toContain('VMID 150 is in use now.');
  });

  it('does not say so where nothing is left, where that cannot be seen, or where the VMID was taken before', async () => {
    for (const [exit, free, plan] of [
      ['out of space', 150],
      ['out of space', new Error('away')],
      ['unable to create VM 150 - VM 150 already exists on node pve', taken],
      ['out of space', taken, { demand: { ...demand, newGuests: 0 as const } }],
      ['out of space', taken, {}],
    ] as const)
      expect((await making(exit, free, plan))?.message).not.toContain('in use now');
  });

  it('does not say so about a later step', async () => {
    const another: Dispatch = { kind: 'task', upid: UPID.replace('pve:1', 'pve:2') };
    const script = { answers: [asTask, another], exits: ['OK', 'timed out'], nextid: taken };
    const { retryOnLock: _, ...second } = start;
    const run = await applied([start, { ...second, id: 'second' } as Step], script, { demand });
    expect(run.error?.message).toContain('timed out');
    expect(run.error?.message).not.toContain('in use now');
  });
});

describe('a busy lock', () => {
  it('is waited for: the task did nothing, so its request is sent again, six times at most', async () => {
    const run = await applied([start, set], { answers: [asTask, asTask, asTask], exits: [LOCKED, LOCKED] });
    expect(run).toMatchObject({ status: 'succeeded', sent: ['start', 'start', 'start', 'set'] });
    expect(run.ports.clock.at).toBe(12);
    expect(run.reports).toContain(`0/2 the guest is still locked (${LOCKED}); retrying`);
    const never = await applied([start], { answers: Array(9).fill(asTask), exits: Array(9).fill(LOCKED) });
    expect(never).toMatchObject({ status: 'failed', error: { code: 'task_failed' } });
    expect(never.sent).toHaveLength(6);
    expect(never.ports.clock.at).toBe(30);
  });
  it('is not waited for where the step may not be repeated, nor is any other failure', async () => {
    const { retryOnLock: _, ...once } = start;
    expect((await applied([once], { answers: [asTask], exits: [LOCKED] })).sent).toEqual(['start']);
    const other = await applied([start], { answers: [asTask], exits: ['unexpected failure'] });
    expect(other).toMatchObject({ sent: ['start'], status: 'failed', steps: [{ state: 'failed', exit: 'unexpected failure' }] });
    expect(other.error?.details).toMatchObject({ step: 'start', upid: UPID, exit: 'unexpected failure' });
  });
});

describe('a guest that is already so', () => {
  const already = 'VM 105 already running';
  it('is done, as an answer and as the end of a task, once the guest shows it', async () => {
    for (const script of [{ answers: [refusal(already)] }, { answers: [asTask], exits: [already] }])
      expect(await applied([start], { ...script, holds: () => true })).toMatchObject({
        status: 'succeeded',
        steps: [{ state: 'done', data: { already: true } }],
      });
  });
  it('does not count as such when the guest does not show it, or cannot be seen', async () => {
    for (const seen of [false, undefined]) {
      expect(await applied([start], { answers: [refusal(already)], holds: () => seen })).toMatchObject({
        status: 'failed',
        error: { code: 'guest_state' },
      });
      expect(await applied([start], { answers: [asTask], exits: [already], holds: () => seen })).toMatchObject({
        status: 'failed',
        error: { code: 'task_failed' },
      });
    }
  });
  it(`does not count as such for another refusal, another state, or without Proxmox's words`, async () => {
    const stopped = { ...start, proof: { ...running, is: 'stopped' } as Condition };
    const located = { ...start, proof: { kind: 'location', type: 'qemu', vmid: 105, node: 'pve' } as Condition };
    const { proof: _, ...unproven } = start;
    for (const step of [stopped, located, unproven])
      expect((await applied([step], { answers: [refusal(already)], holds: () => true })).status).toBe('failed');
    for (const answer of [refusal('VM 105 is odd'), new ProxmoxMcpError('guest_state', already)])
      expect((await applied([start], { answers: [answer], holds: () => true })).status).toBe('failed');
  });
});

it('a bad answer to a check fails a run that has sent nothing, and is asked again by one that has', async () => {
  const check: Step = { kind: 'check', id: 'c', purpose: 'web105 runs', that: running };
  const once = () => {
    let asked = 0;
    return () => {
      if (++asked === 1) throw new ProxmoxMcpError('proxmox_refused', 'not now');
      return true;
    };
  };
  expect(await applied([set, check], { holds: once() })).toMatchObject({ status: 'succeeded', sent: ['set'] });
  expect(await applied([check, set], { holds: once() })).toMatchObject({ status: 'failed', sent: [], error: { code: 'proxmox_refused' } });
});

describe('a fault of this server', () => {
  it('after the intent leaves the outcome unknown, and before it nothing was sent', async () => {
    const broken = await applied([start, set], { answers: [new TypeError('a bug')], holds: () => true });
    expect(broken).toMatchObject({
      status: 'unknown',
      sent: ['start'],
      steps: [{ id: 'start', state: 'unknown' }],
      error: { code: 'outcome_unknown', message: 'start web105: the server failed while sending the request.' },
    });
    expect(broken.ports.lines).toEqual(['error: a step failed inside the server']);
    const holds = () => {
      throw new TypeError('a bug');
    };
    const before = await applied([{ kind: 'check', id: 'c', purpose: 'x', that: running }, set], { holds });
    expect(before).toMatchObject({ status: 'failed', steps: [], error: { code: 'internal' } });
    expect(before.ports.lines).toEqual(['error: a step failed inside the server']);
    expect((await applied([set], { answers: [refusal('no')] })).ports.lines).toEqual([]);
  });

  it('of the journal ends no step, and a process that lost the run no longer touches it', async () => {
    const lost = await applied([start], { owned: (writing) => writing < 2 });
    expect(lost.thrown).toBeInstanceOf(LostRun);
    expect(lost.sent).toEqual([]);
    const owned = () => {
      throw new Error('the store is away');
    };
    const unwritten = await applied([start], { owned });
    expect(unwritten.thrown).toBeInstanceOf(Unwritten);
    expect(unwritten.sent).toEqual([]);
  });

  it('of the store after the answer loses no UPID: the run stays as it is, and this process knows the task', async () => {
    const away = () => {
      throw new ProxmoxMcpError('store_unavailable', 'The store is away.');
    };
    const owned = (writing: number) => (writing < 3 ? true : away());
    const { thrown, ports } = await applied([start], { answers: [asTask], byUpid: async () => away(), owned });
    expect(thrown).toBeInstanceOf(Unwritten);
    expect([...ports.inFlight.known.values()]).toMatchObject([{ steps: [{ id: 'start', state: 'sent', upid: UPID }] }]);
  });
});

it('a step gets the digest that an earlier one brought', async () => {
  const clone = requestStep('clone', { params: { newid: 200 } });
  const then = requestStep('then', { params: { source: { $from: 'clone.digest' } } });
  const run = await applied([clone, then], { answers: [{ kind: 'done', data: { digest: 'a1' } }] }, { target: guest(105) });
  expect(run.requests[1]?.params).toEqual({ source: 'a1' });
});
