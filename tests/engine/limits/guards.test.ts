import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/core/plan/plan.ts';
import type { RunRecord } from '../../../src/core/plan/run.ts';
import type { PolicyRule } from '../../../src/core/settings/policy.ts';
import { checkPolicy, perHour } from '../../../src/engine/limits/guards.ts';
import { argsDigest } from '../../../src/engine/records.ts';
import { asker, guest, iso, parts, planOf, requestStep, runOf } from '../../helpers/parts.ts';

const rules = (rule: Partial<PolicyRule>) => ({ policy: { rules: [{ match: {}, never: false, ...rule }], perHour: {} } });
const call = { args: { vmid: 105 }, caller: asker() };
const error = async (promise: Promise<unknown>) => {
  const thrown = await promise.then(
    () => undefined,
    (e) => e,
  );
  expect(thrown).toBeDefined();
  return thrown as { code: string; message: string; hint: string; details?: Record<string, unknown> };
};

describe('a required backup', () => {
  const HOUR = 3600;
  const store = {
    guests: { lives: async () => [] },
    reservations: { all: async () => [] },
    runs: { since: async () => [], all: async () => [] },
    approvals: { decidedSince: async () => [] },
  };
  const wanting = (seconds: number) => parts(store, rules({ requireBackupWithin: seconds }));
  const backedUp = (seconds: number) => ({ facts: { lastBackup: iso(-seconds) } });
  const of = (vmid: number, storage: string, seconds: number) => ({
    volid: `${storage}:backup/x-${vmid}.vma`,
    content: 'backup',
    vmid,
    ctime: Date.parse(iso(-seconds)) / 1000,
  });
  /** A node with a storage for backups that shows these. */
  const lists = (ports: ReturnType<typeof parts>, ...volumes: object[]) =>
    Object.assign(ports.answers, {
      '/nodes/pve/storage': [{ storage: 'bak', type: 'dir', content: 'backup', active: 1, enabled: 1 }],
      '/nodes/pve/storage/bak/content': volumes,
      '/access/permissions?path=/vms/105': { '/vms/105': { 'VM.Backup': 1 } },
      '/access/permissions?path=/storage/bak': { '/storage/bak': { 'Datastore.Audit': 1, 'Datastore.AllocateSpace': 1 } },
    });

  it('may be as old as the policy says, and no older', async () => {
    const ports = wanting(HOUR);
    await expect(checkPolicy(planOf(backedUp(HOUR)), call, ports)).resolves.toMatchObject({ requireBackupWithin: HOUR });
    const { code, message } = await error(checkPolicy(planOf(backedUp(HOUR + 1)), call, ports));
    expect(code).toBe('forbidden_by_policy');
    expect(message).toBe(`The policy requires a backup not older than 1 h, but the newest is from ${iso(-HOUR - 1)}.`);
    expect(ports.asked).toEqual([]);
  });

  it('is not required for a mere change', async () => {
    await expect(checkPolicy(planOf({ effect: 'change' }), call, wanting(HOUR))).resolves.toBeDefined();
  });

  it('is searched for where the plan knows none, and the refusal says that it is missing only where the token would see it', async () => {
    const ports = wanting(1.5 * HOUR);
    lists(ports, of(105, 'bak', 60));
    await expect(checkPolicy(planOf(), call, ports)).resolves.toBeDefined();
    lists(ports);
    const none = await error(checkPolicy(planOf({ facts: { lastBackup: null } }), call, ports));
    expect(none.message).toBe('The policy requires a backup not older than 1.5 h, but no backup on the storages this token can see (bak).');
    ports.answers['/access/permissions?path=/vms/105'] = { '/vms/105': {} };
    const hidden = await error(checkPolicy(planOf(), call, ports));
    expect(hidden.code).toBe('permission_denied');
    expect(hidden.message).toBe(
      'The policy requires a backup not older than 1.5 h. Seeing one needs VM.Backup on /vms/105, which the API token lacks.',
    );
  });

  it('is called old although a storage is hidden', async () => {
    const ports = wanting(HOUR);
    lists(ports, of(105, 'bak', 2 * HOUR));
    ports.answers['/nodes/pve/storage'] = ['bak', 'dark'].map((storage) => ({ storage, type: 'dir', content: 'backup', active: 1 }));
    ports.answers['/access/permissions?path=/vms/105'] = { '/vms/105': {} };
    expect(await error(checkPolicy(planOf(), call, ports))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining(`the newest is from ${iso(-2 * HOUR)}`),
    });
  });

  it('is not called missing on one storage because another one is hidden', async () => {
    const ports = wanting(HOUR);
    lists(ports);
    ports.answers['/nodes/pve/storage'] = ['bak', 'dark'].map((storage) => ({ storage, type: 'dir', content: 'backup', active: 1 }));
    expect(await error(checkPolicy(planOf(), call, ports))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining('cannot tell on dark'),
    });
  });

  it('is unknown where the token sees no storage for backups', async () => {
    const ports = wanting(HOUR);
    ports.answers['/nodes/pve/storage'] = [];
    ports.answers['/access/permissions?path=/vms/105'] = { '/vms/105': {} };
    expect(await error(checkPolicy(planOf(), call, ports))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining('this token sees no storage for backups'),
    });
  });

  it('is unknown where the list failed although the token has every right', async () => {
    const ports = wanting(HOUR);
    lists(ports);
    delete ports.answers['/nodes/pve/storage/bak/content'];
    expect(await error(checkPolicy(planOf(), call, ports))).toMatchObject({
      code: 'forbidden_by_policy',
      message: expect.stringContaining('cannot tell whether there is a backup on bak'),
    });
  });

  it('is required of every guest of a list, whatever the plan knows of the first', async () => {
    const ports = wanting(HOUR);
    const list = planOf({ ...backedUp(60), targets: [guest(105), guest(106)] });
    lists(ports, of(105, 'bak', 60), of(106, 'bak', 60));
    await expect(checkPolicy(list, call, ports)).resolves.toBeDefined();
    lists(ports, of(106, 'bak', 60));
    expect((await error(checkPolicy(list, call, ports))).message).toContain('a backup of web105 105 not older than 1 h, but no backup');
    lists(ports, of(105, 'bak', 60));
    ports.answers['/access/permissions?path=/vms/106'] = { '/vms/106': {} };
    expect((await error(checkPolicy(list, call, ports))).code).toBe('permission_denied');
  });

  it('may be the one that the plan itself waits for, of this guest', async () => {
    const wait = (vmid: number, kind = 'backup') => ({
      kind: 'wait' as const,
      id: 'w',
      purpose: '',
      timeoutSeconds: 1,
      until: { kind, vmid, node: 'pve', storage: 'bak' } as never,
    });
    const plan = (...steps: Plan['steps']) => checkPolicy(planOf({ ...backedUp(2 * HOUR), steps }), call, wanting(HOUR));
    await expect(plan(requestStep('backup'), wait(105))).resolves.toBeDefined();
    await expect(plan(wait(106))).rejects.toMatchObject({ code: 'forbidden_by_policy' });
    await expect(plan(wait(105, 'guest'))).rejects.toMatchObject({ code: 'forbidden_by_policy' });
    await expect(plan({ ...wait(105), kind: 'check', that: {} } as never)).rejects.toMatchObject({ code: 'forbidden_by_policy' });
  });
});

describe('a cool-down', () => {
  const decided = (status: string, at?: number) => ({ status, ...(at === undefined ? {} : { decidedAt: iso(at) }) });
  /** @param asked collects the queries to the store */
  function cooling(approvals: object[], runs: Partial<RunRecord>[] = [], asked: unknown[] = []) {
    const store = {
      approvals: {
        decidedSince: async (...given: unknown[]) => {
          asked.push(given);
          return approvals;
        },
      },
      runs: {
        since: async (...given: unknown[]) => {
          asked.push(given);
          return runs.map((run) => runOf(run));
        },
      },
    };
    return parts(store, rules({ cooldown: 600 }));
  }
  const refusal = async (...given: Parameters<typeof cooling>) => {
    const { code, message, details } = await error(checkPolicy(planOf(), call, cooling(...given)));
    expect(code).toBe('rate_limited');
    return { message, details };
  };

  it('says when the identical request may be repeated, and counts those of this caller on this cluster alone', async () => {
    const asked: unknown[] = [];
    const { message, details } = await refusal([decided('denied', -100.5)], [], asked);
    expect(message).toBe('The identical request was denied 100 s ago. It may be repeated in 500 s.');
    expect(details).toEqual({ retry_after_seconds: 500 });
    const whose = { cluster: 'c', principal: 'local:agent' };
    expect(asked).toEqual([
      [{ ...whose, argsDigest: argsDigest('stop_vm', call.args) }, iso(-600)],
      [whose, iso(-600)],
    ]);
  });

  it('counts from the newest decision or run without an approval', async () => {
    const ran = { startedAt: iso(-50), status: 'succeeded' as const };
    expect((await refusal([decided('denied', -100)], [ran])).message).toBe(
      'The identical request was made (succeeded) 50 s ago. It may be repeated in 550 s.',
    );
    expect((await refusal([decided('denied', -20)], [ran])).message).toContain('denied 20 s ago');
    expect((await refusal([decided('executing')], [])).message).toContain('made (executing) 600 s ago. It may be repeated in 0 s');
  });

  it('does not begin with an undecided request, with another request, or with a failed one', async () => {
    const step = (state: string) => ({ id: 's', at: '', state }) as RunRecord['steps'][number];
    for (const [approvals, runs] of [
      [[decided('stale', -1), decided('expired', -1)], []],
      [[], [{ args: { vmid: 106 } }]],
      [[], [{ operation: 'start_vm' }]],
      [[], [{ status: 'failed' as const, steps: [step('failed')] }]],
      [[], []],
    ] as [object[], Partial<RunRecord>[]][])
      await expect(checkPolicy(planOf(), call, cooling(approvals, runs))).resolves.toMatchObject({ cooldown: 600 });
    expect((await refusal([], [{ status: 'failed', steps: [step('done'), step('failed')] }])).message).toContain('made (failed)');
    expect((await refusal([], [{ status: 'unknown' }])).message).toContain('made (unknown)');
  });

  it('does not stop a call that finishes a half-made guest, nor one for which no rule demands it', async () => {
    const ports = cooling([decided('denied', -1)]);
    await expect(checkPolicy(planOf({ continues: 'run_0' }), call, ports)).resolves.toBeDefined();
    await expect(checkPolicy(planOf(), call, { ...ports, cluster: parts().cluster })).resolves.toBeDefined();
  });
});

describe('limits per hour', () => {
  const demand = (newGuests: 0 | 1) => ({ newGuests, vmid: 1 }) as NonNullable<Plan['demand']>;
  const make = planOf({ effect: 'change', demand: demand(1) });
  const destroy = planOf({ effect: 'destroy' });
  const step = { id: 's', at: '', state: 'failed' } as const;
  function limited(of: { creates?: number; destroys?: number }, runs: Partial<RunRecord>[] = [], asked: unknown[] = []) {
    const since = async (...given: unknown[]) => {
      asked.push(given);
      return runs.map((run) => runOf(run));
    };
    return parts({ runs: { since } }, { policy: { rules: [], perHour: of } });
  }
  const refused = (plan: Plan, ports: ReturnType<typeof parts>) => error(checkPolicy(plan, call, ports));

  it('are absent where the policy sets none for the plan', () => {
    expect(perHour(make, limited({ destroys: 1 }))).toBeUndefined();
    expect(perHour(destroy, limited({ creates: 1 }))).toBeUndefined();
    expect(perHour(planOf(), limited({ creates: 1, destroys: 1 }))).toBeUndefined();
    expect(perHour(planOf({ demand: demand(0) }), limited({ creates: 1, destroys: 1 }))).toBeUndefined();
    expect(perHour(make, limited({ creates: 1 }))).toMatchObject({ since: iso(-3600) });
  });

  it('count guests that were made or may be, those of this caller', async () => {
    const asked: unknown[] = [];
    const made = { plan: make };
    const others: Partial<RunRecord>[] = [{ plan: planOf() }, { plan: planOf({ demand: demand(0) }) }, { plan: destroy }];
    const nothing: Partial<RunRecord> = { plan: make, status: 'failed', steps: [step] };
    await expect(checkPolicy(make, call, limited({ creates: 2 }, [made, nothing, ...others], asked))).resolves.toBeDefined();
    expect(asked).toEqual([[{ cluster: 'c', principal: 'local:agent' }, iso(-3600)]]);
    const { code, message, details } = await refused(make, limited({ creates: 2 }, [made, made, nothing]));
    expect({ code, message, details }).toEqual({
      code: 'rate_limited',
      message: '2 guests were created within the last hour. The policy allows 2.',
      details: { limit: 2, used: 2, since: iso(-3600) },
    });
  });

  it('count deletions, also those that failed: they may have destroyed something', async () => {
    const failed: Partial<RunRecord> = { plan: destroy, status: 'failed', steps: [step] };
    await expect(checkPolicy(destroy, call, limited({ destroys: 1 }, [{ plan: make }]))).resolves.toBeDefined();
    expect((await refused(destroy, limited({ destroys: 1 }, [failed]))).message).toBe(
      '1 guests were destroyed within the last hour. The policy allows 1.',
    );
  });

  it('count each guest of a plan for several, and of those that a run was to make the ones that it may have made', async () => {
    const several = { ...destroy, targets: [guest(105), guest(106)] };
    expect((await refused(several, limited({ destroys: 1 }))).message).toBe(
      '0 guests were destroyed within the last hour. The policy allows 1. This call asks for 2 more.',
    );
    await expect(checkPolicy(several, call, limited({ destroys: 2 }))).resolves.toBeDefined();
    const sizes = { cpu: 1, memoryMib: 1, diskGib: 1 };
    const made = (vmid: number) => ({ demand: { newGuests: 1 as const, vmid, before: sizes, after: sizes } });
    const steps = [300, 301].map((vmid) => ({ ...requestStep(`create-${vmid}`), lane: vmid }));
    const two: Partial<RunRecord> = {
      ...{ plan: planOf({ effect: 'change', steps, makes: [made(300), made(301)] }), status: 'failed' },
      steps: [
        { ...step, id: 'create-300', state: 'done' },
        { ...step, id: 'create-301' },
      ],
    };
    await expect(checkPolicy(make, call, limited({ creates: 2 }, [two]))).resolves.toBeDefined();
    expect((await refused(make, limited({ creates: 1 }, [two]))).code).toBe('rate_limited');
    // Also while the outcome of another guest is unknown.
    const open: Partial<RunRecord> = {
      ...two,
      status: 'unknown',
      steps: [
        { ...step, id: 'create-300', state: 'unknown' },
        { ...step, id: 'create-301' },
      ],
    };
    await expect(checkPolicy(make, call, limited({ creates: 2 }, [open]))).resolves.toBeDefined();
    expect((await refused(make, limited({ creates: 1 }, [open]))).code).toBe('rate_limited');
    // Those of a run that has not ended may all be made.
    const executing: Partial<RunRecord> = { ...two, status: 'executing', steps: [] };
    expect((await refused(make, limited({ creates: 2 }, [executing]))).code).toBe('rate_limited');
  });
});
