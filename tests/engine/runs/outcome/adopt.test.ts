import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../../src/core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../../../src/core/plan/run.ts';
import { adoptOrphans } from '../../../../src/engine/runs/outcome/adopt.ts';
import { iso, parts, planOf, requestStep, runOf } from '../../../helpers/parts.ts';

const change = planOf({ operation: 'set_resources', effect: 'change', steps: [requestStep('one'), requestStep('two')] });
const one: StepRecord = { id: 'one', state: 'done', at: iso(0) };
const half = (over: Partial<RunRecord> = {}) => runOf({ plan: change, steps: [one], ...over });

interface Row {
  run: RunRecord;
  worker?: string;
  leaseUntil?: string;
}
/** A store with these runs executing; what this process sends is in `sent`. */
function world(...rows: Row[]) {
  const sent: string[] = [];
  const adopted: unknown[][] = [];
  const ended: unknown[][] = [];
  const runs = {
    unknown: async () => [],
    executing: async () => rows.map((row) => ({ worker: 'gone', leaseUntil: iso(0), ...row })),
    adopt: async (...given: unknown[]) => {
      adopted.push(given);
      return true;
    },
    get: async (id: string) => rows.find(({ run }) => run.id === id)?.run,
    journal: async () => true,
    end: async (...given: unknown[]) => {
      ended.push(given);
      return true;
    },
  };
  const reservations = { markMade: async () => {}, releaseRun: async () => {}, releaseGuest: async () => {}, all: async () => [] };
  const store = { runs, reservations, secrets: { get: async () => undefined } };
  const ports = parts(store);
  ports.proxmox.send = async (gate, request) => {
    gate.pass(request);
    sent.push(request.stepId);
    return { kind: 'done', data: null };
  };
  return {
    ports,
    runs,
    sent,
    adopted,
    ended,
    async adopt() {
      await adoptOrphans(ports);
      await Promise.allSettled([...ports.inFlight.runs.values()]);
    },
  };
}
const outcomes = (ports: { told: object[] }) => ports.told.map((line) => line as { kind: string; status: string; message?: string });

describe('a run of a process that is gone', () => {
  it('is taken over with a lease, finished, and recorded', async () => {
    const orphan = world({ run: half() });
    await orphan.adopt();
    expect(orphan.adopted).toEqual([['run_1', 'gone', 'me', iso(30)]]);
    expect(orphan.sent).toEqual(['two']);
    expect(outcomes(orphan.ports)).toMatchObject([
      { kind: 'outcome', status: 'succeeded', client: 'reconciliation' },
      { kind: 'reconciled', operation: 'stop_vm', principal: 'local:agent', runId: 'run_1', status: 'succeeded' },
    ]);
    expect(outcomes(orphan.ports)[1]).not.toHaveProperty('message');
    expect(orphan.ports.lines).toEqual(['warn: finishing a run whose process ended']);
    expect(orphan.ports.inFlight.runs.size).toBe(0);
  });

  it('is read again once it is taken over: its process may have written meanwhile', async () => {
    const orphan = world({ run: half() });
    orphan.runs.get = async () => half({ steps: [one, { id: 'two', state: 'done', at: iso(0) }] });
    await orphan.adopt();
    expect(orphan.sent).toEqual([]);
    const forgotten = world({ run: half() });
    forgotten.runs.get = async () => undefined;
    await forgotten.adopt();
    expect(forgotten.sent).toEqual(['two']);
  });

  it.each<[string, Partial<RunRecord>, boolean]>([
    ['within a quarter of an hour', { startedAt: iso(-15 * 60 + 1) }, true],
    ['not after a quarter of an hour', { startedAt: iso(-15 * 60) }, false],
    ['not when nothing of it was begun', { steps: [] }, false],
    ['not when it needed an approval', { approvalId: 'apr_1' }, false],
    ['not when a standing approval covered it', { leaseId: 'lse_1' }, false],
    ['not when it is grave', { plan: { ...change, effect: 'disrupt' } as Plan }, false],
  ])('is continued %s', async (_case, over, sends) => {
    const orphan = world({ run: half(over) });
    await orphan.adopt();
    expect(orphan.sent).toEqual(sends ? ['two'] : []);
    if (!sends)
      expect(outcomes(orphan.ports).at(-1)).toMatchObject({ status: 'failed', message: expect.stringContaining('was not sent later') });
  });

  it('that cannot be finished now is in the log as such, and has no line that says otherwise', async () => {
    const orphan = world({ run: half() });
    orphan.runs.end = async () => {
      throw new Error('the store is away');
    };
    await orphan.adopt();
    expect(outcomes(orphan.ports)).toMatchObject([{ kind: 'outcome' }]);
    expect(orphan.ports.lines).toContain('error: recording the end of a run failed and is retried');
    const silent = world({ run: half() });
    silent.runs.get = async () => {
      throw new Error('the store is away');
    };
    await silent.adopt();
    expect(silent.ports.lines).toContain('error: an adopted run could not be finished');
  });

  it('is forgotten by this process, because another one wrote since', async () => {
    const orphan = world({ run: half() });
    orphan.ports.inFlight.know('run_1').steps = [one, { id: 'two', state: 'done', at: iso(0) }];
    await orphan.adopt();
    expect(orphan.sent).toEqual(['two']);
  });
});

describe('a run is left alone', () => {
  const alive = JSON.stringify({ host: 'another', pid: 1, start: '', engine: 'e' });
  it('while this process executes it', async () => {
    const busy = world({ run: half(), worker: 'me' });
    busy.ports.inFlight.starting.add('run_1');
    await busy.adopt();
    expect(busy.adopted).toEqual([]);
  });
  it('while its process lives', async () => {
    const living = world({ run: half(), worker: alive, leaseUntil: iso(1) });
    await living.adopt();
    expect(living.adopted).toEqual([]);
  });
  it('when another process was faster, and the next one is still adopted', async () => {
    const rows = world({ run: half() }, { run: half({ id: 'run_2' }) });
    const { adopt } = rows.runs;
    rows.runs.adopt = async (...given) => (await adopt(...given)) && given[0] === 'run_2';
    await rows.adopt();
    expect(outcomes(rows.ports).map((line) => (line as { runId?: string }).runId)).toEqual(['run_2', 'run_2']);
  });
  it('when another call of this process took it in the same moment', async () => {
    const twice = world({ run: half() });
    const { adopt } = twice.runs;
    twice.runs.adopt = async (...given) => {
      twice.ports.inFlight.starting.add('run_1');
      return adopt(...given);
    };
    await twice.adopt();
    expect(twice.sent).toEqual([]);
    expect(twice.ports.told).toEqual([]);
  });
});

it('an own run that a fault left is adopted with the state that this process knows', async () => {
  const own = world({ run: half(), worker: 'me', leaseUntil: iso(30) });
  own.ports.inFlight.know('run_1').steps = [one, { id: 'two', state: 'done', at: iso(0) }];
  await own.adopt();
  expect(own.adopted).toEqual([['run_1', 'me', 'me', iso(30)]]);
  expect(own.sent).toEqual([]);
  expect(own.ports.lines).toEqual(['warn: finishing a run left by a fault']);
});
