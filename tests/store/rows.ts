import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { RunRecord, StepRecord } from '../../src/core/plan/run.ts';
import type { Store } from '../../src/store/index.ts';
import type { NewApproval } from '../../src/store/repositories/approvals.ts';
import type { StandingApproval } from '../../src/store/schema.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const SOON = '2026-01-01T00:05:00.000Z';
const LATER = '2026-01-01T00:10:00.000Z';
const plan = { operation: 'stop_vm', summary: 'stop web1', effect: 'disrupt', steps: [], target: { vmid: 105 } } as unknown as Plan;

const approval = (id: string, over: Partial<NewApproval> = {}): NewApproval => ({
  id,
  operation: 'stop_vm',
  args: { vmid: 105 },
  argsDigest: id,
  cluster: id,
  principal: 'local:1',
  owner: 'anna',
  channel: 'stdio',
  plan,
  digest: 'digest',
  effect: 'disrupt',
  method: 'terminal',
  needed: 2,
  expiresAt: LATER,
  ...over,
});
const run = (id: string, over: Partial<RunRecord> = {}): Omit<RunRecord, 'status' | 'steps'> => ({
  id,
  operation: 'stop_vm',
  args: { vmid: 105 },
  cluster: id,
  principal: 'local:1',
  plan,
  digest: 'digest',
  startedAt: NOW,
  ...over,
});
const lease = (id: string, over: Partial<StandingApproval> = {}): StandingApproval => ({
  id,
  cluster: id,
  operations: ['stop_vm'],
  usesLeft: 2,
  madeBy: 'anna',
  createdAt: NOW,
  expiresAt: LATER,
  ...over,
});
const error = { code: 'task_failed', message: 'm', hint: 'h' };

/** What the store gives back is what was put in, with nothing that was not; every engine of the store has to do so. Each test has a cluster of its own. */
export function rowsContract(engine: string, open: () => Promise<Store>): void {
  describe(`rows on ${engine}`, () => {
    let store: Store;
    beforeAll(async () => {
      store = await open();
    });
    afterAll(() => store.close());

    describe('an approval', () => {
      it('is read with every field of its request', async () => {
        const { argsDigest: _, ...asked } = approval('full', { client: 'claude 1', reason: 'why', scope: { pools: ['p'] } });
        const stored = { ...asked, status: 'pending', createdAt: NOW };
        expect(await store.approvals.request({ ...asked, argsDigest: 'full' }, NOW, 5)).toStrictEqual(stored);
        expect(await store.approvals.get('full')).toStrictEqual(stored);
        const { argsDigest: __, ...bare } = approval('bare');
        await store.approvals.request({ ...bare, argsDigest: 'bare' }, NOW, 5);
        expect(await store.approvals.get('bare')).toStrictEqual({ ...bare, status: 'pending', createdAt: NOW });
        expect(await store.approvals.get('no such')).toBeUndefined();
      });

      it('keeps what was noted when it moves, and moves once', async () => {
        await store.approvals.request(approval('moves'), NOW, 5);
        await store.secrets.keep('moves', [{ id: 'of-moves', sealed: 'x' }]);
        const set = { decidedBy: 'anna', decidedVia: 'human' as const, note: 'n', decidedAt: SOON };
        expect(await store.approvals.move('moves', 'pending', 'executing', set)).toBe(true);
        expect(await store.approvals.move('moves', 'pending', 'denied', { note: 'too late' })).toBe(false);
        expect(await store.approvals.get('moves')).toMatchObject({ status: 'executing', ...set });
        expect(await store.secrets.get('of-moves')).toBe('x');
        expect(await store.approvals.move('moves', 'executing', 'unknown')).toBe(true);
        expect(await store.approvals.get('moves')).toMatchObject({ status: 'unknown', ...set });
      });

      it('that could not be moved keeps its secrets', async () => {
        await store.approvals.request(approval('stays'), NOW, 5);
        await store.secrets.keep('stays', [{ id: 'of-stays', sealed: 'x' }]);
        expect(await store.approvals.move('stays', 'executing', 'denied')).toBe(false);
        expect(await store.secrets.get('of-stays')).toBe('x');
      });

      it('is returned with those that it ended: expired ones, and the one that it replaces', async () => {
        const [cluster, principal] = ['ended', 'p'];
        const same = { cluster, principal, argsDigest: 'same' };
        await store.approvals.request(approval('ended-old', { ...same, argsDigest: 'old', expiresAt: SOON }), NOW, 5);
        const first = await store.approvals.request(approval('ended-1', { ...same, expiresAt: '2027' }), NOW, 5);
        expect(first).not.toHaveProperty('ended');
        const again = await store.approvals.request(approval('ended-2', { ...same, expiresAt: '2027' }), LATER, 5);
        expect(again).toMatchObject({ id: 'ended-1', ended: [{ id: 'ended-old', status: 'expired', decidedAt: LATER }] });
        const newer = await store.approvals.request(approval('ended-3', { ...same, digest: 'new', expiresAt: '2027' }), LATER, 5);
        expect(newer).toMatchObject({ id: 'ended-3', ended: [{ id: 'ended-1', status: 'stale', note: 'replaced by a newer request' }] });
        expect(await store.approvals.get('ended-1')).toMatchObject({
          status: 'stale',
          note: 'replaced by a newer request',
          decidedAt: LATER,
        });
      });

      it('is counted once in the queue that it replaces', async () => {
        const same = { cluster: 'queue', principal: 'q' };
        await store.approvals.request(approval('queue-1', same), NOW, 1);
        expect(await store.approvals.request(approval('queue-2', { ...same, argsDigest: 'queue-1', digest: 'new' }), NOW, 1)).toMatchObject(
          {
            id: 'queue-2',
          },
        );
        const { target: _, ...without } = plan;
        const making = approval('queue-3', { cluster: 'queue', principal: 'r', plan: without as Plan });
        expect(await store.approvals.request(making, NOW, 1)).toMatchObject({ id: 'queue-3' });
      });

      it('is listed by principal and status, in pages that say when there is more', async () => {
        const cluster = 'pages';
        for (const [id, principal] of [
          ['pages-1', 'a'],
          ['pages-2', 'a'],
          ['pages-3', 'b'],
        ] as const)
          await store.approvals.request(approval(id, { cluster, principal }), NOW, 9);
        await store.approvals.move('pages-2', 'pending', 'denied');
        const ids = async (filter: object) => {
          const page = await store.approvals.list({ cluster, limit: 9, ...filter });
          return [page.approvals.map(({ id }) => id), page.total, page.nextCursor];
        };
        expect(await ids({})).toEqual([['pages-3', 'pages-2', 'pages-1'], 3, undefined]);
        expect(await ids({ status: 'pending' })).toEqual([['pages-3', 'pages-1'], 2, undefined]);
        expect(await ids({ principal: 'a' })).toEqual([['pages-2', 'pages-1'], 2, undefined]);
        expect(await ids({ limit: 3 })).toEqual([['pages-3', 'pages-2', 'pages-1'], 3, undefined]);
        expect(await ids({ limit: 2 })).toEqual([['pages-3', 'pages-2'], 3, 'pages-2']);
        expect(await ids({ limit: 2, cursor: 'pages-2' })).toEqual([['pages-1'], 3, undefined]);
        const strange = store.approvals.list({ limit: 2, cursor: 'no such' });
        await expect(strange).rejects.toMatchObject({ code: 'invalid_arguments', message: expect.stringContaining('next_cursor') });
      });

      it('is listed next to expire first while it is pending, and the latest decision first after it', async () => {
        const cluster = 'watched';
        const at = (n: number) => `2030-01-01T00:00:${String(n).padStart(2, '0')}.000Z`;
        for (let n = 1; n <= 6; n += 1)
          await store.approvals.request(approval(`watched-${n}`, { cluster, principal: `p${n}`, expiresAt: at(60 - n) }), at(n), 9);
        for (const [n, decidedAt] of [
          [6, at(7)],
          [1, at(8)],
        ] as const)
          await store.approvals.move(`watched-${n}`, 'pending', 'denied', { decidedAt });
        const { approvals, total } = await store.approvals.pending(cluster, 3);
        expect([approvals.map(({ id }) => id), total]).toEqual([['watched-5', 'watched-4', 'watched-3'], 4]);
        const decided = async (limit: number) => (await store.approvals.decided(cluster, limit)).map(({ id }) => id);
        expect([await decided(9), await decided(1)]).toEqual([['watched-1', 'watched-6'], ['watched-1']]);
      });

      it('shows when it was requested, and when it was approved', async () => {
        const at = (n: number) => `2031-01-01T00:00:0${n}.000Z`;
        for (const n of [1, 2, 3]) await store.approvals.request(approval(`habit-${n}`, { expiresAt: '2032' }), at(n), 9);
        await store.approvals.move('habit-2', 'pending', 'executing', { decidedVia: 'human', decidedAt: at(8) });
        await store.approvals.move('habit-3', 'pending', 'denied', { decidedAt: at(9) });
        expect(await store.approvals.answers(at(0))).toEqual([{ askedAt: at(1) }, { askedAt: at(2), givenAt: at(8) }, { askedAt: at(3) }]);
      });

      it('is found among those decided since, the newest first', async () => {
        const asked = { cluster: 'since', principal: 'p', argsDigest: 'd' };
        for (const [id, at] of [
          ['since-1', SOON],
          ['since-2', LATER],
        ] as const) {
          await store.approvals.request(approval(id, asked), NOW, 9);
          await store.approvals.move(id, 'pending', 'denied', { decidedAt: at });
        }
        const since = async (begin: string) => (await store.approvals.decidedSince(asked, begin)).map(({ id }) => id);
        expect(await since(NOW)).toEqual(['since-2', 'since-1']);
        expect(await since(SOON)).toEqual(['since-2']);
      });
    });

    describe('a run', () => {
      it('is read with every field that it began with, also after a second begin', async () => {
        await store.approvals.request(approval('r-full'), NOW, 5);
        const decision = { approvalId: 'r-full', decidedBy: 'anna', decidedVia: 'human' as const, note: 'swiftly' };
        const begun = run('r-full', { approvalId: 'r-full', leaseId: 'lse' });
        expect(await store.runs.begin(begun, 'w', LATER, { decision })).toBe(true);
        // As when the database restarted before it answered.
        expect(await store.runs.begin(begun, 'w', LATER, { decision })).toBe(true);
        expect(await store.runs.get('r-full')).toStrictEqual({ ...begun, status: 'executing', steps: [] });
        expect(await store.approvals.get('r-full')).toMatchObject({
          runId: 'r-full',
          decidedBy: 'anna',
          decidedVia: 'human',
          note: 'swiftly',
        });
        await store.runs.begin(run('r-bare'), 'w', LATER);
        expect(await store.runs.get('r-bare')).toStrictEqual({ ...run('r-bare'), status: 'executing', steps: [] });
        expect(await store.runs.executing('r-bare')).toStrictEqual([
          { run: { ...run('r-bare'), status: 'executing', steps: [] }, worker: 'w', leaseUntil: LATER },
        ]);
        expect(await store.runs.get('no such')).toBeUndefined();
      });

      it('decided without a remark leaves the note of its approval empty', async () => {
        await store.approvals.request(approval('r-plain'), NOW, 5);
        const decision = { approvalId: 'r-plain', decidedBy: 'anna', decidedVia: 'human' as const };
        await store.runs.begin(run('r-plain', { approvalId: 'r-plain' }), 'w', LATER, { decision });
        expect(await store.approvals.get('r-plain')).not.toHaveProperty('note');
      });

      it('ends once with its steps and its error, and repeats that only to the worker that ended it', async () => {
        const steps: StepRecord[] = [{ id: 's', state: 'done', at: NOW }];
        await store.runs.begin(run('r-ends'), 'w', LATER);
        expect(await store.runs.journal('r-ends', 'w', steps, LATER)).toBe(true);
        expect(await store.runs.end('r-ends', 'w', { status: 'failed', steps, error, endedAt: SOON })).toBe(true);
        expect(await store.runs.end('r-ends', 'w', { status: 'failed', steps, error, endedAt: SOON })).toBe(true);
        expect(await store.runs.end('r-ends', 'w', { status: 'succeeded', steps, endedAt: SOON })).toBe(false);
        expect(await store.runs.end('r-ends', 'other', { status: 'failed', steps, error, endedAt: SOON })).toBe(false);
        expect(await store.runs.end('no such', 'w', { status: 'failed', steps, error, endedAt: SOON })).toBe(false);
        expect(await store.runs.journal('r-ends', 'w', [], LATER)).toBe(false);
        expect(await store.runs.get('r-ends')).toStrictEqual({ ...run('r-ends'), status: 'failed', steps, error, endedAt: SOON });
        expect(await store.runs.executing('r-ends')).toEqual([]);
      });

      it('that had ended as unknown leaves its error as the note of its approval', async () => {
        await store.approvals.request(approval('r-open'), NOW, 5);
        await store.runs.begin(run('r-open', { approvalId: 'r-open' }), 'w', LATER, {
          decision: {
            approvalId: 'r-open',
            decidedBy: 'anna',
            decidedVia: 'human',
          },
        });
        await store.runs.end('r-open', 'w', { status: 'unknown', steps: [], error, endedAt: NOW });
        expect(
          await store.runs.endUnknown('r-open', { status: 'failed', steps: [], error: { ...error, message: 'refused' }, endedAt: SOON }),
        ).toBe(true);
        expect(await store.approvals.get('r-open')).toMatchObject({ status: 'failed', note: 'refused' });
        expect(await store.runs.get('r-open')).toMatchObject({ status: 'failed', error: { message: 'refused' }, endedAt: SOON });
      });

      it('of unknown outcome keeps what is seen of some of its steps, unless another process wrote meanwhile', async () => {
        const error = { code: 'outcome_unknown', message: 'two are open', hint: 'wait' };
        const [one, two] = ['one', 'two'].map((id) => ({ id, state: 'unknown' as const, at: NOW }));
        const before = [one, two] as StepRecord[];
        const after = [{ ...one, state: 'done', upid: 'UPID:seen' }, two] as StepRecord[];
        await store.runs.begin(run('r-seen'), 'w', LATER);
        expect(await store.runs.noteUnknown('r-seen', [], after, error)).toBe(false);
        await store.runs.end('r-seen', 'w', { status: 'unknown', steps: before, error, endedAt: NOW });
        expect(await store.runs.noteUnknown('r-seen', before, after, { ...error, message: 'one is open' })).toBe(true);
        expect(await store.runs.get('r-seen')).toMatchObject({
          status: 'unknown',
          steps: after,
          error: { message: 'one is open' },
          endedAt: NOW,
        });
        expect(await store.runs.byUpid('UPID:seen', run('r-seen').cluster)).toMatchObject({ id: 'r-seen' });
        expect(await store.runs.noteUnknown('r-seen', before, before, error)).toBe(false);
      });

      it('is taken over from its worker, and a repeated call of the adopter succeeds', async () => {
        await store.runs.begin(run('r-taken'), 'a', LATER);
        expect(await store.runs.adopt('r-taken', 'a', 'b', LATER)).toBe(true);
        expect(await store.runs.adopt('r-taken', 'a', 'b', LATER)).toBe(true);
        expect(await store.runs.adopt('r-taken', 'a', 'c', LATER)).toBe(false);
        expect(await store.runs.adopt('no such', 'a', 'c', LATER)).toBe(false);
        // What a fault left of its own, the worker takes up again.
        expect(await store.runs.adopt('r-taken', 'b', 'b', LATER)).toBe(true);
        await store.runs.end('r-taken', 'b', { status: 'failed', steps: [], endedAt: SOON });
        expect(await store.runs.adopt('r-taken', 'a', 'b', LATER)).toBe(false);
      });

      it('is listed of its cluster, the newest first, of one principal where that is requested', async () => {
        const cluster = 'r-recent';
        await store.runs.begin(run('r-recent-1', { cluster }), 'w', LATER);
        await store.runs.begin(run('r-recent-2', { cluster, principal: 'other', startedAt: SOON }), 'w', LATER);
        const ids = async (filter: object) => (await store.runs.recent({ cluster, limit: 9, ...filter })).map(({ id }) => id);
        expect(await ids({})).toEqual(['r-recent-2', 'r-recent-1']);
        expect(await ids({ limit: 1 })).toEqual(['r-recent-2']);
        expect(await ids({ principal: 'local:1' })).toEqual(['r-recent-1']);
      });

      it('is renewed with its reservation, by its worker, while it executes', async () => {
        const cluster = 'r-renew';
        for (const id of ['rn-1', 'rn-2', 'rn-3']) {
          await store.runs.begin(run(id, { cluster }), id === 'rn-3' ? 'other' : 'w', NOW);
          await claimed(id, { cluster, worker: id === 'rn-3' ? 'other' : 'w' });
          await store.reservations.setRun(id, id);
        }
        for (const id of ['rn-4', 'rn-5']) await claimed(id, { cluster });
        const leases = async () => {
          const runs = (await store.runs.executing(cluster)).map(({ run: { id }, leaseUntil }) => [id, leaseUntil]);
          const held = (await store.reservations.all(cluster)).map(({ id, leaseUntil }) => [`reserved ${id}`, leaseUntil]);
          return Object.fromEntries([...runs, ...held].filter(([, until]) => until !== NOW));
        };
        await store.runs.renew('w', { runs: [], reservations: [] }, SOON);
        expect(await leases()).toEqual({});
        await store.runs.renew('w', { runs: ['rn-1', 'rn-3'], reservations: [] }, SOON);
        expect(await leases()).toEqual({ 'rn-1': SOON, 'reserved rn-1': SOON });
        await store.runs.renew('w', { runs: [], reservations: ['rn-4'] }, SOON);
        expect(await leases()).toEqual({ 'rn-1': SOON, 'reserved rn-1': SOON, 'reserved rn-4': SOON });
        await store.runs.renew('w', { runs: ['rn-2'], reservations: ['rn-4'] }, LATER);
        expect(await leases()).toEqual({
          'rn-1': SOON,
          'reserved rn-1': SOON,
          'rn-2': LATER,
          'reserved rn-2': LATER,
          'reserved rn-4': LATER,
        });
      });

      it('is remembered with the guest that it made or went on with', async () => {
        const cluster = 'r-made';
        for (const id of ['r-made-1', 'r-made-2']) await store.runs.begin(run(id, { cluster }), 'w', LATER);
        for (const runId of ['r-made-1', 'r-made-2']) await store.guests.remember({ cluster, vmid: 200, key: 'k', runId, at: NOW });
        await store.guests.remember({ cluster, vmid: 200, key: 'successor', runId: 'r-made-1', at: NOW });
        expect(await store.guests.made(cluster, 200, 'k')).toBe(true);
        expect(await store.guests.made(cluster, 200, 'another')).toBe(false);
        expect(await store.guests.made(cluster, 201, 'k')).toBe(false);
        expect(await store.guests.made('elsewhere', 200, 'k')).toBe(false);
        expect(await store.guests.madeBy(cluster, 200, 'k')).toMatchObject({ id: 'r-made-2' });
        expect(await store.guests.madeBy(cluster, 200, 'another')).toBeUndefined();
        expect(await store.guests.madeVmids(cluster)).toEqual([200]);
        await store.guests.remember({ cluster, vmid: 201, key: 'k', runId: 'r-made-1', at: SOON, savedAt: NOW });
        await store.guests.remember({ cluster, vmid: 201, key: 'k', runId: 'r-made-2', at: LATER });
        await store.guests.remember({ cluster, vmid: 201, key: 'successor', runId: 'r-made-1', at: LATER });
        expect(await store.guests.lives(cluster, [201, 202])).toEqual([
          { vmid: 201, at: LATER, savedAt: null, runId: 'r-made-1' },
          { vmid: 201, at: SOON, savedAt: NOW, runId: 'r-made-2' },
        ]);
        expect(await store.guests.lives(cluster, [])).toEqual([]);
        expect((await store.runs.all(['r-made-1', 'gone'])).map(({ id }) => id)).toEqual(['r-made-1']);
        expect(await store.runs.all([])).toEqual([]);
      });

      it('stays with a guest that gets another key, as do the names of the guest', async () => {
        const cluster = 'r-rekeyed';
        await store.runs.begin(run('r-rekeyed-1', { cluster }), 'w', LATER);
        const one = { cluster, runId: 'r-rekeyed-1', at: NOW, savedAt: SOON };
        for (const vmid of [200, 201]) await store.guests.remember({ ...one, vmid, key: 'k' });
        await store.guests.remember({ ...one, vmid: 200, key: 'next', at: LATER });
        for (const [key, name] of [
          ['k', 'a'],
          ['k', 'b'],
          ['next', 'b'],
        ] as const)
          await store.guests.sawName(cluster, { key, name, vmid: 200 }, NOW);
        await store.guests.rekey(cluster, { vmid: 200, key: 'k', next: 'next' });
        // As after an answer of the database that was lost.
        await store.guests.rekey(cluster, { vmid: 200, key: 'k', next: 'next' });
        const made = (vmid: number, key: string) => store.guests.made(cluster, vmid, key);
        expect([await made(200, 'next'), await made(200, 'k'), await made(201, 'k')]).toEqual([true, false, true]);
        expect(await store.guests.lives(cluster, [200])).toEqual([{ vmid: 200, at: NOW, savedAt: SOON, runId: 'r-rekeyed-1' }]);
        expect([...(await store.guests.names(cluster, 'next'))].sort()).toEqual(['a', 'b']);
      });

      it('keeps what was told first about its last step, and nothing for a run that is gone', async () => {
        const steps: RunRecord['steps'] = [
          { id: 'a', state: 'done', at: NOW },
          { id: 'b', state: 'done', at: NOW },
        ];
        await store.runs.begin(run('r-told', {}), 'w', LATER);
        await store.runs.end('r-told', 'w', { status: 'succeeded', steps, endedAt: NOW });
        const [a, b] = steps;
        const told = [a, { ...b, told: { exit_code: 3 } }];
        expect(await store.runs.keepTold('r-told', { exit_code: 3 })).toMatchObject({ id: 'r-told', steps: told });
        expect(await store.runs.keepTold('r-told', { exit_code: 4 })).toMatchObject({ id: 'r-told', steps: told });
        expect((await store.runs.get('r-told'))?.steps).toEqual(told);
        expect(await store.runs.keepTold('r-told-gone', { exit_code: 3 })).toBeUndefined();
      });

      it('names the VMIDs that were deleted here since then', async () => {
        const cluster = 'r-deleted';
        const { target: _, ...without } = plan;
        const deleted = async (id: string, over: Partial<RunRecord>, status: 'succeeded' | 'failed' = 'succeeded') => {
          await store.runs.begin(run(id, { cluster, operation: 'delete_vm', startedAt: SOON, ...over }), 'w', LATER);
          await store.runs.end(id, 'w', { status, steps: [], endedAt: SOON });
        };
        await deleted('r-del-1', {});
        await deleted('r-del-2', { startedAt: NOW, plan: { ...plan, target: { vmid: 106 } as Plan['target'] } as Plan });
        await deleted('r-del-3', { plan: { ...plan, target: { vmid: 107 } as Plan['target'] } as Plan }, 'failed');
        await deleted('r-del-4', { operation: 'stop_vm', plan: { ...plan, target: { vmid: 108 } as Plan['target'] } as Plan });
        await deleted('r-del-5', { plan: without as Plan });
        expect(await store.runs.deletedVmids(cluster, NOW)).toEqual([105]);
      });
    });

    const claimed = (id: string, over: object = {}, vmid = 900) =>
      store.reservations.reserve(
        { id, cluster: id, name: '', newGuest: false, worker: 'w', leaseUntil: NOW, now: NOW, ...over },
        () => vmid,
      );

    describe('a reservation', () => {
      const demand = { node: 'pve', type: 'lxc' as const, cpu: 2, memoryMib: 512, diskGib: 8, space: { 'pve/local': 8 } };

      it('is read with every field of its request, and with the needs of the plan', async () => {
        const taken = await claimed('v-full', { name: 'Web', newGuest: true });
        const row = {
          seq: expect.any(Number),
          id: 'v-full',
          cluster: 'v-full',
          name: 'Web',
          vmid: 900,
          node: '',
          type: 'qemu',
          newGuest: true,
          cpu: 0,
          memoryMib: 0,
          diskGib: 0,
          space: {},
          state: 'held',
          worker: 'w',
          leaseUntil: NOW,
          changedAt: NOW,
        };
        expect(taken).toStrictEqual({ mine: row });
        expect(await claimed('v-full', { name: 'Web', newGuest: true })).toStrictEqual(taken);
        const placed = await store.reservations.setDemand('v-full', demand);
        expect(placed).toMatchObject(demand);
        expect(await store.reservations.setDemand('no such', demand)).toBeUndefined();
        expect(await store.reservations.setRun('v-full', 'run')).toBe(true);
        expect(await store.reservations.setRun('no such', 'run')).toBe(false);
        expect(await store.reservations.get('v-full')).toStrictEqual({ ...row, ...demand, seq: placed?.seq, runId: 'run' });
        expect(await store.reservations.get('no such')).toBeUndefined();
      });

      it('goes to the end of the queue once its needs are known: earlier work could not count them', async () => {
        const cluster = 'v-queue';
        for (const id of ['q-1', 'q-2', 'q-3']) await claimed(id, { cluster, newGuest: true }, 920 + Number(id.slice(2)));
        for (const id of ['q-2', 'q-1']) await store.reservations.setDemand(id, demand);
        expect((await store.reservations.all(cluster)).map(({ id }) => id)).toEqual(['q-3', 'q-2', 'q-1']);
      });

      it('of a new guest blocks its name and its VMID, and nothing else', async () => {
        const cluster = 'v-ways';
        await claimed('v-1', { cluster, name: 'web', newGuest: true }, 901);
        expect(await claimed('v-2', { cluster, name: 'WEB', newGuest: true }, 902)).toMatchObject({ other: { id: 'v-1' } });
        expect(await claimed('v-3', { cluster, name: 'db', newGuest: true }, 901)).toMatchObject({ other: { id: 'v-1' } });
        expect(await claimed('v-4', { cluster, newGuest: true }, 903)).toMatchObject({ mine: { id: 'v-4', newGuest: true } });
        expect(await claimed('v-5', { cluster, newGuest: true }, 904)).toMatchObject({ mine: { id: 'v-5' } });
        expect(await claimed('v-6', { cluster, name: 'web' }, 901)).toMatchObject({ mine: { id: 'v-6', newGuest: false } });
        expect(await claimed('v-7', { cluster, name: 'web' }, 901)).toMatchObject({ mine: { id: 'v-7' } });
        expect(await claimed('v-8', { cluster: 'v-other', name: 'web', newGuest: true }, 901)).toMatchObject({ mine: { id: 'v-8' } });
      });

      it('that was made takes no more space, and replaces what the guest grew to before', async () => {
        const cluster = 'v-made';
        for (const [id, newGuest] of [
          ['m-new', true],
          ['m-1', false],
          ['m-2', false],
          ['m-held', false],
        ] as const) {
          await claimed(id, { cluster, newGuest }, 910);
          await store.reservations.setDemand(id, demand);
          await store.reservations.setRun(id, `run-${id}`);
        }
        await claimed('m-away', { cluster }, 911);
        await store.reservations.setRun('m-away', 'run-away');
        await store.reservations.markMade('run-away', NOW);
        const left = async () => (await store.reservations.all(cluster)).map(({ id, state }) => `${id} ${state}`);
        await store.reservations.markMade('run-m-1', NOW);
        await store.reservations.markMade('run-m-new', NOW);
        expect(await left()).toEqual(['m-new made', 'm-1 made', 'm-2 held', 'm-held held', 'm-away made']);
        await store.reservations.markMade('run-m-2', SOON);
        expect(await left()).toEqual(['m-new made', 'm-2 made', 'm-held held', 'm-away made']);
        expect(await store.reservations.get('m-2')).toMatchObject({ space: {}, cpu: 2, changedAt: SOON });
      });

      it('is released by its id, its run or its guest, or after its process has ended', async () => {
        const cluster = 'v-back';
        const left = async () => (await store.reservations.all(cluster)).map(({ id }) => id);
        for (const [n, id] of ['b-id', 'b-run', 'b-guest', 'b-held', 'b-orphan', 'b-busy', 'b-else'].entries())
          await claimed(id, { cluster, newGuest: true }, id === 'b-held' ? 9_999 : 920 + n);
        await store.reservations.release('b-id');
        expect(await left()).toEqual(['b-run', 'b-guest', 'b-held', 'b-orphan', 'b-busy', 'b-else']);
        for (const id of ['b-run', 'b-guest', 'b-busy']) await store.reservations.setRun(id, `run-${id}`);
        await store.reservations.releaseRun('run-b-run');
        expect(await left()).toEqual(['b-guest', 'b-held', 'b-orphan', 'b-busy', 'b-else']);
        await store.reservations.markMade('run-b-guest', NOW);
        await store.reservations.releaseGuest('elsewhere', 922);
        await store.reservations.releaseGuest(cluster, 9_999);
        expect(await left()).toEqual(['b-guest', 'b-held', 'b-orphan', 'b-busy', 'b-else']);
        await store.reservations.releaseGuest(cluster, 922);
        expect(await left()).toEqual(['b-held', 'b-orphan', 'b-busy', 'b-else']);
        expect(await store.reservations.releaseOrphan('b-orphan', 'w')).toBe(true);
        expect(await store.reservations.releaseOrphan('b-busy', 'w')).toBe(false);
        expect(await store.reservations.releaseOrphan('b-else', 'other')).toBe(false);
        expect(await left()).toEqual(['b-held', 'b-busy', 'b-else']);
      });
    });

    describe('a standing approval', () => {
      it('is read with every field, the newest first', async () => {
        const cluster = 'l-full';
        const tagged = lease('l-tag', { cluster, tag: 't', createdAt: SOON });
        const pooled = lease('l-pool', { cluster, pool: 'p', raised: true });
        for (const one of [pooled, tagged, tagged]) await store.standing.add(one);
        expect(await store.standing.list(cluster)).toStrictEqual([tagged, pooled]);
        expect(await store.standing.list('elsewhere')).toEqual([]);
        expect(await store.standing.revoke('l-tag', cluster, NOW)).toBe(true);
        expect(await store.standing.revoke('l-tag', cluster, SOON)).toBe(false);
        expect(await store.standing.list(cluster)).toStrictEqual([{ ...tagged, revokedAt: NOW }, pooled]);
      });

      it('is open until it is used up, over or revoked; the one that ends first comes first', async () => {
        const cluster = 'l-open';
        await store.standing.add(lease('l-long', { cluster, tag: 't', expiresAt: '2027' }));
        await store.standing.add(lease('l-short', { cluster, tag: 't' }));
        await store.standing.add(lease('l-used', { cluster, tag: 't', usesLeft: 0 }));
        await store.standing.add(lease('l-revoked', { cluster, tag: 't' }));
        await store.standing.revoke('l-revoked', cluster, NOW);
        const ids = async (now: string) => (await store.standing.open(cluster, now)).map(({ id }) => id);
        expect(await ids(NOW)).toEqual(['l-short', 'l-long']);
        expect(await ids(LATER)).toEqual(['l-long']);
      });

      it('the names of a guest are those that it was seen under, the newest first', async () => {
        for (const [name, at] of [
          ['old', NOW],
          ['new', SOON],
          ['old', NOW],
        ] as const)
          await store.guests.sawName('names', { key: 'k', name, vmid: 1 }, at);
        expect(await store.guests.names('names', 'k')).toEqual(['new', 'old']);
        await store.guests.sawName('names', { key: 'k', name: 'old', vmid: 2 }, LATER);
        expect(await store.guests.names('names', 'k')).toEqual(['old', 'new']);
        expect(await store.guests.names('names', 'other')).toEqual([]);
        expect(await store.guests.names('elsewhere', 'k')).toEqual([]);
      });
    });
  });
}
