import { describe, expect, it } from 'vitest';
import type { Condition, RequestStep } from '../../../../src/core/plan/plan.ts';
import type { StepRecord } from '../../../../src/core/plan/run.ts';
import type { ProxmoxApi } from '../../../../src/core/proxmox.ts';
import { PROVEN } from '../../../../src/engine/runs/outcome/follow.ts';
import { look, reconcile, tooLate, withoutOthers } from '../../../../src/engine/runs/outcome/reconcile.ts';
import { iso, parts, requestStep, runOf } from '../../../helpers/parts.ts';

const record: StepRecord = { id: 'start', state: 'unknown', at: iso(0) };
const running: Condition = { kind: 'guest', type: 'qemu', vmid: 105, node: 'pve', is: 'running' };
const task = { type: 'qmstart', id: '105', node: 'pve', timeoutSeconds: 60 };
const start = requestStep('start', { task, proof: running });
const UPID = 'UPID:pve:1:2:3:qmstart:105:mcp@pve!agent:';
type Query = Parameters<ProxmoxApi['findTask']>[0];

/** @param seen what the token sees: the task, whether the effect is there; `owner` is the run that a task belongs to */
function world(seen: Partial<Pick<ProxmoxApi, 'findTask' | 'holds'>> = {}, owner?: { id: string }) {
  const asked: unknown[] = [];
  const byUpid = async (...given: unknown[]) => {
    asked.push(given);
    return owner;
  };
  const ports = parts({ runs: { byUpid } });
  Object.assign(ports.proxmox, { holds: async () => false, ...seen });
  const told: string[] = [];
  const within = { run: runOf(), steps: [] as StepRecord[] };
  return {
    ports,
    asked,
    told,
    reconcile: (step: RequestStep = start) => reconcile({ step, record, ...within }, ports, (message) => told.push(message)),
    look: (step: RequestStep = start, steps: StepRecord[] = []) => look({ step, record, run: runOf(), steps }, ports),
  };
}
const found = async () => ({ upid: UPID, running: true });

describe('the trace of a request without an answer', () => {
  it('is its task, before anything else', async () => {
    expect(await world({ findTask: found, holds: async () => true }).look()).toEqual({ kind: 'task', upid: UPID });
  });

  it.each<[string, boolean | undefined, string]>([
    ['its effect', true, 'effect'],
    ['nothing, where the effect would show', false, 'nothing'],
    ['hidden, where it cannot be told', undefined, 'hidden'],
  ])('is %s', async (_case, proven, kind) => {
    const seen: unknown[][] = [];
    const holds = async (...given: unknown[]) => {
      seen.push(given);
      return proven;
    };
    expect(await world({ holds }).look()).toEqual({ kind });
    expect(seen).toEqual([[running, Date.parse(iso(0)) / 1000]]);
  });

  it('is hidden for a request without a proof, and for a guest that is gone by no task of ours', async () => {
    const { proof: _, ...unproven } = start;
    expect(await world({ holds: async () => true }).look(unproven)).toEqual({ kind: 'hidden' });
    const remove = requestStep('delete', { method: 'DELETE', task, proof: running });
    expect(await world({ holds: async () => true }).look(remove)).toEqual({ kind: 'hidden' });
  });

  it('is silence where Proxmox does not answer', async () => {
    const away = async () => {
      throw new Error('away');
    };
    expect(await world({ findTask: away }).look()).toEqual({ kind: 'silent' });
    expect(await world({ holds: away }).look()).toEqual({ kind: 'silent' });
  });

  const changed = requestStep('set', {
    task,
    params: { digest: 'old' },
    proof: { kind: 'config', type: 'qemu', vmid: 105, node: 'pve', has: { cores: '2' } },
  });
  it('is that it can no longer take effect, unless its task appeared meanwhile', async () => {
    const late = world();
    late.ports.answers['/nodes/pve/qemu/105/config'] = { digest: 'new' };
    expect(await late.look(changed)).toEqual({ kind: 'moot', why: 'the configuration has changed since' });
    let looks = 0;
    const meanwhile = world({ findTask: async () => (looks++ === 0 ? undefined : found()) });
    meanwhile.ports.answers['/nodes/pve/qemu/105/config'] = { digest: 'new' };
    expect(await meanwhile.look(changed)).toEqual({ kind: 'task', upid: UPID });
  });

  it('is its effect where the configuration changed by the request itself, between two looks', async () => {
    let looks = 0;
    const hidden = world({ holds: async () => looks++ > 0 });
    hidden.ports.answers['/nodes/pve/qemu/105/config'] = { digest: 'new', cores: 2 };
    expect(await hidden.look(changed)).toEqual({ kind: 'effect' });
  });

  it('is nothing where a secret may be missing and the configuration is the one before', async () => {
    const secret = { ...changed, params: { digest: 'old', cores: 2, cipassword: { $secret: 'x' } } };
    const before = world({ holds: async () => true });
    before.ports.answers['/nodes/pve/qemu/105/config'] = { digest: 'old', cores: 2 };
    expect(await before.look(secret)).toEqual({ kind: 'nothing' });
    before.ports.answers['/nodes/pve/qemu/105/config'] = { digest: 'new', cores: 2 };
    expect(await before.look(secret)).toEqual({ kind: 'effect' });
    before.ports.answers['/nodes/pve/qemu/105/config'] = { digest: 'old', cores: 2 };
    expect(await before.look({ ...changed, params: { digest: 'old', cores: 2 } })).toEqual({ kind: 'effect' });
  });

  it('finds no task where the request starts none', async () => {
    const { task: _, ...direct } = start;
    expect(await world({ findTask: found }).look(direct)).toEqual({ kind: 'nothing' });
  });
});

describe('its own task', () => {
  const query = async (step: RequestStep = start, owner?: { id: string }, steps: StepRecord[] = [], one = record) => {
    const queries: Query[] = [];
    const findTask = async (given: Query) => {
      queries.push(given);
      return undefined;
    };
    const { ports, asked } = world({ findTask }, owner);
    await look({ step, record: one, run: runOf(), steps }, ports);
    const [given] = queries;
    if (!given?.isTaken) throw new Error('no task was looked for');
    return { given, taken: await given.isTaken(UPID), asked };
  };

  it('has its type and guest, and began since it was sent', async () => {
    const { timeoutSeconds, ...kind } = task;
    expect((await query()).given).toEqual({
      ...kind,
      timeoutSeconds,
      sinceEpoch: Date.parse(iso(0)) / 1000,
      isTaken: expect.any(Function),
    });
  });
  it('is that of a copy only when its log names the new guest', async () => {
    const copy = { ...start, proof: { ...running, vmid: 200 } };
    expect((await query(copy)).given.logMentions).toBe('200');
    const { proof: _, ...unproven } = start;
    expect((await query(unproven)).given).not.toHaveProperty('logMentions');
    const odd = { ...start, proof: { kind: 'none' } as never };
    expect((await query(odd)).given).not.toHaveProperty('logMentions');
  });
  it('is never one of another run, another step or another request', async () => {
    const step = (id: string, upid = UPID): StepRecord => ({ id, state: 'done', at: '', upid });
    expect(await query()).toMatchObject({ taken: false, asked: [[UPID, 'c']] });
    expect((await query(start, { id: 'run_1' })).taken).toBe(false);
    expect((await query(start, { id: 'run_2' })).taken).toBe(true);
    expect((await query(start, undefined, [step('start')])).taken).toBe(false);
    expect((await query(start, undefined, [step('a', 'other'), step('other')])).taken).toBe(true);
    expect((await query(start, undefined, [step('other', 'UPID:other')])).taken).toBe(false);
    expect((await query(start, undefined, [], { ...record, others: ['x', UPID] })).taken).toBe(true);
    expect((await query(start, undefined, [], { ...record, others: ['x'] })).taken).toBe(false);
  });
});

describe('reconciling a request without an answer', () => {
  it('records it as sent with the task that was found, and as done with its effect', async () => {
    expect(await world({ findTask: found }).reconcile()).toEqual({ ...record, state: 'sent', upid: UPID, found: true });
    const effect = world({ holds: async () => true });
    expect(await effect.reconcile()).toEqual({ ...record, state: 'done', exit: PROVEN });
    expect(effect.told).toEqual(['start web105: no answer; checking Proxmox for its outcome']);
  });

  it('finds a task that shows late, and searches for 40 seconds: after 0.5, 1.5, 3.5, 7.5, 12.5 s and so on', async () => {
    const looks: number[] = [];
    const late = world({
      async findTask() {
        looks.push(late.ports.clock.at);
        return late.ports.clock.at >= 37 ? found() : undefined;
      },
    });
    expect(await late.reconcile()).toMatchObject({ state: 'sent' });
    expect(looks).toEqual([0, 0.5, 1.5, 3.5, 7.5, 12.5, 17.5, 22.5, 27.5, 32.5, 37.5]);
  });

  const thrown = async (seen: Parameters<typeof world>[0], step: RequestStep = start) => {
    const { ports, reconcile: run } = world(seen);
    const error = await run(step).then(
      () => undefined,
      (e) => e,
    );
    return { ...error, message: error.message, at: ports.clock.at };
  };

  it('says that it may still be executed when nothing shows for 40 seconds', async () => {
    expect(await thrown({})).toMatchObject({
      code: 'outcome_unknown',
      message: 'start web105: no answer came, and so far Proxmox shows neither its task nor its effect. Proxmox may still execute it.',
      details: { run_id: 'run_1' },
      at: 42.5,
    });
    expect(await thrown({ holds: async () => undefined })).toMatchObject({
      message: expect.stringContaining('the visible state does not show whether it took effect'),
    });
  });

  it('ends exactly with the time, by the later of the two clocks', async () => {
    const { ports, reconcile: run } = world();
    const { sleep } = ports.clock;
    ports.clock.sleep = (ms) => sleep.call(ports.clock, ms === 5_000 ? 6_500 : ms);
    await expect(run()).rejects.toMatchObject({ code: 'outcome_unknown' });
    expect(ports.clock.at).toBe(40);
    // Sent long before this process looks for it.
    const adopted = world();
    adopted.ports.proxmox.serverTime = () => Date.parse(iso(40)) / 1000;
    await expect(adopted.reconcile()).rejects.toMatchObject({ code: 'outcome_unknown' });
    expect(adopted.ports.clock.at).toBe(0);
  });

  it('waits for the end of an outage of a quarter of an hour', async () => {
    const away = async () => {
      throw new Error('away');
    };
    const { message, at } = await thrown({ findTask: away });
    expect(message).toContain('Proxmox cannot be reached');
    expect(at).toBeGreaterThanOrEqual(900);
    expect(at).toBeLessThan(906);
  });

  it('names the guest that a late DELETE would hit', async () => {
    const remove = requestStep('delete', { method: 'DELETE', task, proof: { ...running, is: 'absent' } });
    expect((await thrown({}, remove)).message).toContain('It would hit whatever guest has VMID 105 then.');
    const { proof: _, ...unproven } = remove;
    for (const step of [unproven, { ...remove, proof: { kind: 'none' } as never }, { ...start }])
      expect((await thrown({}, step)).message).not.toContain('hit');
  });

  it('ends at once when the request can no longer take effect', async () => {
    const { ports, reconcile: run } = world();
    ports.answers['/nodes/pve/qemu/105/config'] = { digest: 'new' };
    const changed = requestStep('set', {
      params: { digest: 'old' },
      proof: { kind: 'config', type: 'qemu', vmid: 105, node: 'pve', has: { cores: '2' } },
    });
    await expect(run(changed)).rejects.toMatchObject({
      code: 'conflict',
      message: 'set web105: no answer came. The request can no longer take effect, because the configuration has changed since.',
    });
    expect(tooLate(changed, 'why').hint).toContain('Nothing was done in this step');
  });
});

describe('a task that was found and after which the configuration lacks the values', () => {
  const step = requestStep('set', { proof: { kind: 'config', type: 'qemu', vmid: 105, node: 'pve', has: { cores: '2' } } });
  const done: StepRecord = { id: 'set', state: 'done', at: iso(0), upid: UPID, found: true, exit: 'OK' };
  const without = (one: StepRecord, holds: boolean | 'unseen' = false, of: RequestStep = step) =>
    withoutOthers(of, one, { holds: async () => (holds === 'unseen' ? undefined : holds) } as unknown as ProxmoxApi);

  it('executed another request, so the search continues', async () => {
    expect(await without(done)).toStrictEqual({ id: 'set', state: 'unknown', at: iso(0), others: [UPID] });
    expect((await without({ ...done, others: ['x'] }))?.others).toEqual(['x', UPID]);
  });
  it('is its own in every other case', async () => {
    const { found: _, ...answered } = done;
    expect(await without(answered)).toBeUndefined();
    expect(await without({ ...done, state: 'failed' })).toBeUndefined();
    expect(await without(done, true)).toBeUndefined();
    expect(await without(done, 'unseen')).toBeUndefined();
    expect(await without(done, false, start)).toBeUndefined();
    expect(await without(done, false, requestStep('set'))).toBeUndefined();
  });
});
