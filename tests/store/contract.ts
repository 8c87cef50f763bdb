import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { RunRecord } from '../../src/core/plan/run.ts';
import type { Store } from '../../src/store/index.ts';
import type { NewApproval } from '../../src/store/repositories/approvals.ts';

const plan: Plan = {
  operation: 'stop_vm',
  summary: 'stop web1',
  effect: 'disrupt',
  steps: [],
  expected: [],
  choices: [],
  warnings: [],
  undo: 'start it',
};
const NOW = '2026-01-01T00:00:00.000Z';
const LATER = '2026-01-01T00:10:00.000Z';

function approval(id: string, over: Partial<NewApproval> = {}): NewApproval {
  return {
    id,
    operation: 'stop_vm',
    args: { vmid: 105 },
    argsDigest: 'args-105',
    cluster: 'c',
    principal: 'local:1',
    owner: 'local:1',
    channel: 'stdio',
    plan,
    digest: 'digest',
    effect: 'disrupt',
    method: 'relay',
    needed: 1,
    expiresAt: LATER,
    ...over,
  };
}
export function run(id: string, approvalId?: string): Omit<RunRecord, 'status' | 'steps'> {
  return {
    id,
    operation: 'stop_vm',
    args: {},
    cluster: 'c',
    principal: 'local:1',
    plan,
    digest: 'digest',
    startedAt: NOW,
    ...(approvalId ? { approvalId } : {}),
  };
}
const wish = (id: string, name: string) => ({ id, cluster: 'c', name, newGuest: true, worker: 'w', leaseUntil: LATER, now: NOW });

/** What every engine of the store has to do. `open` is called twice at once, so that the migrations run at once. */
export function storeContract(engine: string, open: () => Promise<Store>): void {
  describe(`the store on ${engine}`, () => {
    const stores: Store[] = [];
    beforeAll(async () => {
      stores.push(...(await Promise.all([open(), open()])));
    });
    afterAll(async () => {
      await Promise.all(stores.map((s) => s.close()));
    });
    const store = (n = 0) => stores[n] as Store;

    it('takes texts with NUL, which callers can write, and finds nothing by such an id', async () => {
      const { approvals, runs } = store();
      const asked = approval('apr_nul', { principal: 'nul', client: 'agent\0 1', args: { name: 'a\0' } });
      expect(await approvals.request(asked, NOW, 9)).toMatchObject({ id: 'apr_nul' });
      expect(await approvals.move('apr_nul', 'pending', 'denied', { note: 'no\0', decidedAt: NOW })).toBe(true);
      const denied = {
        status: 'denied',
        client: expect.stringContaining('agent'),
        note: expect.stringContaining('no'),
        args: { name: 'a\0' },
      };
      expect(await approvals.get('apr_nul')).toMatchObject(denied);
      expect([await approvals.get('apr_nul\0'), await runs.get('\0')]).toEqual([undefined, undefined]);
    });

    it('answers an identical request with the pending approval, and a changed plan with a new one', async () => {
      const first = await store().approvals.request(approval('a1'), NOW, 5);
      expect(await store(1).approvals.request(approval('a2'), NOW, 5)).toEqual(first);
      expect(await store(1).approvals.request(approval('a3', { digest: 'other' }), NOW, 5)).toMatchObject({ id: 'a3', status: 'pending' });
      expect(await store().approvals.get('a1')).toMatchObject({ status: 'stale' });
    });

    it('refuses the approval that would overflow the queue of a principal, and evicts none', async () => {
      for (const n of [1, 2]) await store().approvals.request(approval(`q${n}`, { principal: 'p', argsDigest: `q${n}` }), NOW, 2);
      expect(await store().approvals.request(approval('q3', { principal: 'p', argsDigest: 'q3' }), NOW, 2)).toBe('full');
      const changed = approval('q5', { principal: 'p', argsDigest: 'q1', digest: 'other' });
      expect(await store().approvals.request(changed, NOW, 1)).toBe('full');
      expect(await store().approvals.get('q1')).toMatchObject({ status: 'pending' });
      expect(await store().approvals.request(approval('q4', { principal: 'other', argsDigest: 'q3' }), NOW, 2)).toMatchObject({ id: 'q4' });
    });

    it('refuses the approval that would overflow the queue about one guest, for all requesters together', async () => {
      const about = (vmid: number) => ({ plan: { ...plan, target: { vmid } as Plan['target'] } as Plan });
      const ask = (n: number, vmid: number) =>
        store().approvals.request(approval(`t${n}`, { principal: `t${n}`, argsDigest: `t${n}`, ...about(vmid) }), NOW, 2);
      expect(await ask(1, 777)).toMatchObject({ id: 't1' });
      expect(await ask(2, 777)).toMatchObject({ id: 't2' });
      expect(await ask(3, 777)).toBe('full');
      expect(await ask(4, 778)).toMatchObject({ id: 't4' });
    });

    it('forgets sealed secrets with every end that an approval can have', async () => {
      const begun = async (id: string, over: Partial<NewApproval> = {}) => {
        await store().secrets.keep(id, [{ id: `of-${id}`, sealed: 'x' }]);
        await store().approvals.request(approval(id, { principal: id, argsDigest: id, ...over }), NOW, 50);
        expect(await store().secrets.get(`of-${id}`)).toBe('x');
      };
      await begun('s-denied');
      await store().approvals.move('s-denied', 'pending', 'denied');
      await begun('s-stale');
      await store().approvals.move('s-stale', 'pending', 'stale');
      await begun('s-replaced');
      await store().approvals.request(approval('s-newer', { principal: 's-replaced', argsDigest: 's-replaced', digest: 'new' }), NOW, 50);
      await begun('s-expired', { expiresAt: '2026-01-01T00:01:00.000Z' });
      await store().approvals.expire('c', '2026-01-01T00:02:00.000Z');
      await begun('s-done');
      await store().runs.begin(run('s-run', 's-done'), 'w', LATER, {
        decision: { approvalId: 's-done', decidedBy: 'x', decidedVia: 'relay' },
      });
      await store().secrets.keep('s-run', [{ id: 'of-s-run', sealed: 'x' }]);
      await store().runs.end('s-run', 'w', { status: 'failed', steps: [], endedAt: NOW });
      for (const id of ['denied', 'stale', 'replaced', 'expired', 'done', 'run'])
        expect(await store().secrets.get(`of-s-${id}`), id).toBeUndefined();
    });

    it('finds the run of a UPID, whatever characters it is made of, and of a part of one none', async () => {
      const upid = 'UPID:pve:00004311:0007012A:6B036F7E:qmstart:105:mcp_1%@pve!the_agent:';
      await store().runs.begin(run('ru'), 'w', LATER);
      await store().runs.journal('ru', 'w', [{ id: 'start', state: 'sent', at: NOW, upid }], LATER);
      expect(await store(1).runs.byUpid(upid, 'c')).toMatchObject({ id: 'ru' });
      expect(await store(1).runs.ofTasks([upid, 'UPID:pve:'], 'c')).toEqual([{ upid, id: 'ru', principal: run('ru').principal }]);
      expect(await store(1).runs.ofTasks([upid], 'another')).toEqual([]);
      expect(await store(1).runs.byUpid(upid.replace('the_agent', 'theXagent'), 'c')).toBeUndefined();
      expect(await store(1).runs.byUpid('UPID:pve:', 'c')).toBeUndefined();
    });

    it('lets no more runs begin than a limit admits, however many try at once', async () => {
      const admission = {
        since: '2025-01-01T00:00:00.000Z',
        check: (recent: RunRecord[]) => {
          if (recent.length >= 2) throw new Error('enough');
        },
      };
      const begun = await Promise.allSettled(
        Array.from({ length: 10 }, (_, n) => store().runs.begin({ ...run(`hour${n}`), principal: 'hasty' }, 'w', LATER, { admission })),
      );
      expect(begun.filter((b) => b.status === 'fulfilled')).toHaveLength(2);
      expect(await store().runs.since({ cluster: 'c', principal: 'hasty' }, admission.since)).toHaveLength(2);
    });

    it('lets one of many redemptions begin a run', async () => {
      await store().approvals.request(approval('once', { argsDigest: 'once' }), NOW, 50);
      const begun = await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          store().runs.begin(run(`r${n}`, 'once'), 'w', LATER, {
            decision: { approvalId: 'once', decidedBy: 'local:1', decidedVia: 'relay' },
          }),
        ),
      );
      expect(begun.filter(Boolean)).toHaveLength(1);
      expect(await store().approvals.get('once')).toMatchObject({ status: 'executing', decidedVia: 'relay' });
    });

    it('begins nothing for an expired approval', async () => {
      await store().approvals.request(approval('late', { argsDigest: 'late', expiresAt: NOW }), '2025-12-31T00:00:00.000Z', 50);
      expect(
        await store().runs.begin(run('rl', 'late'), 'w', LATER, { decision: { approvalId: 'late', decidedBy: 'x', decidedVia: 'relay' } }),
      ).toBe(false);
      await store().approvals.expire('c', NOW);
      expect(await store().approvals.get('late')).toMatchObject({ status: 'expired' });
    });

    it('lists when approvals were requested and approved, and not when they were denied', async () => {
      const [asked, given] = ['2027-01-01T00:00:00.000Z', '2027-01-01T00:00:01.000Z'];
      for (const n of [1, 2])
        await store().approvals.request(approval(`h${n}`, { argsDigest: `h${n}`, principal: 'h', expiresAt: '2027-01-02' }), asked, 50);
      const start = { ...run('rh', 'h1'), startedAt: given };
      await store().runs.begin(start, 'w', LATER, { decision: { approvalId: 'h1', decidedBy: 'x', decidedVia: 'relay' } });
      await store().approvals.move('h2', 'pending', 'denied', { decidedBy: 'x', decidedAt: given });
      const answers = await store(1).approvals.answers('2026-12-31T00:00:00.000Z');
      expect(answers).toHaveLength(2);
      expect(answers).toEqual(expect.arrayContaining([{ askedAt: asked }, { askedAt: asked, givenAt: given }]));
      expect(await store().approvals.answers(asked)).toEqual([]);
    });

    it('ends the approval with its run, and rejects writes of a worker that lost the run', async () => {
      await store().approvals.request(approval('done', { argsDigest: 'done' }), NOW, 50);
      await store().runs.begin(run('rd', 'done'), 'first', LATER, {
        decision: { approvalId: 'done', decidedBy: 'x', decidedVia: 'relay' },
      });
      expect(await store(1).runs.adopt('rd', 'first', 'second', LATER)).toBe(true);
      expect(await store(1).runs.adopt('rd', 'first', 'third', LATER)).toBe(false);
      expect(await store().runs.journal('rd', 'first', [], LATER)).toBe(false);
      expect(await store().runs.end('rd', 'first', { status: 'failed', steps: [], endedAt: NOW })).toBe(false);
      expect(
        await store(1).runs.end('rd', 'second', {
          status: 'unknown',
          steps: [],
          error: { code: 'outcome_unknown', message: 'm', hint: 'h' },
          endedAt: NOW,
        }),
      ).toBe(true);
      expect(await store().approvals.get('done')).toMatchObject({ status: 'unknown', note: 'm' });
    });

    it('ends an unknown run once, with its approval, and owns the tasks that were found', async () => {
      await store().approvals.request(approval('open', { argsDigest: 'open' }), NOW, 50);
      await store().runs.begin(run('ro', 'open'), 'w', LATER, { decision: { approvalId: 'open', decidedBy: 'x', decidedVia: 'relay' } });
      const upid = 'UPID:pve:00004311:0007012A:6B036F7E:qmdestroy:105:mcp@pve!late:';
      const done = [{ id: 'delete', state: 'done' as const, at: NOW, upid }];
      expect(await store().runs.endUnknown('ro', { status: 'succeeded', steps: done, endedAt: NOW })).toBe(false);
      await store().runs.end('ro', 'w', {
        status: 'unknown',
        steps: [],
        error: { code: 'outcome_unknown', message: 'm', hint: 'h' },
        endedAt: NOW,
      });
      expect((await store(1).runs.unknown('c')).map(({ id }) => id)).toContain('ro');
      expect(await store().runs.unknown('another')).toEqual([]);
      const ends = await Promise.all(
        [0, 1, 0, 1].map((n) => store(n).runs.endUnknown('ro', { status: 'succeeded', steps: done, endedAt: LATER })),
      );
      expect(ends.filter(Boolean)).toHaveLength(1);
      expect(await store().runs.get('ro')).toMatchObject({ status: 'succeeded', steps: done });
      expect(await store().runs.get('ro')).not.toHaveProperty('error');
      expect(await store().approvals.get('open')).toMatchObject({ status: 'succeeded' });
      expect((await store().runs.byUpid(upid, 'c'))?.id).toBe('ro');
    });

    it('reserves a name for one of many requests, whatever its case, and never a VMID twice', async () => {
      const same = await Promise.all(
        Array.from({ length: 20 }, (_, n) => store().reservations.reserve(wish(`s${n}`, n % 2 ? 'WEB' : 'web'), () => 900 + n)),
      );
      expect(same.filter((r) => 'mine' in r)).toHaveLength(1);
      const lowestFree = (claimed: ReadonlySet<number>) => {
        let vmid = 100;
        while (claimed.has(vmid)) vmid++;
        return vmid;
      };
      const many = await Promise.all(
        Array.from({ length: 20 }, (_, n) => store().reservations.reserve(wish(`m${n}`, `vm-${n}`), lowestFree)),
      );
      const vmids = many.map((r) => ('mine' in r ? r.mine.vmid : 0));
      expect(new Set(vmids).size).toBe(20);
      const seqs = (await store().reservations.all('c')).map((r) => r.seq);
      expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    });

    describe('two clusters on one store', () => {
      const both = async (id: string, over: Partial<NewApproval> = {}) => {
        for (const cluster of ['east', 'west'])
          await store().approvals.request(approval(`${id}-${cluster}`, { principal: id, argsDigest: id, cluster, ...over }), NOW, 1);
      };

      it('have each their own approval for the identical request, and their own queue', async () => {
        await both('same');
        expect(await store().approvals.get('same-west')).toMatchObject({ id: 'same-west', cluster: 'west', status: 'pending' });
        expect(await store().approvals.request(approval('same-3', { principal: 'same', cluster: 'west' }), NOW, 1)).toBe('full');
      });

      it('list each their own', async () => {
        await both('listed');
        const listed = await store().approvals.list({ principal: 'listed', cluster: 'west', limit: 10 });
        expect(listed.approvals.map(({ id }) => id)).toEqual(['listed-west']);
        expect(listed.total).toBe(1);
      });

      it('expire each their own, also during a new request', async () => {
        await both('aged', { expiresAt: '2026-01-01T00:01:00.000Z' });
        await store().approvals.request(approval('aged-new', { principal: 'x', argsDigest: 'x', cluster: 'east' }), LATER, 9);
        await store().approvals.expire('east', LATER);
        expect(await store().approvals.get('aged-east')).toMatchObject({ status: 'expired' });
        expect(await store().approvals.get('aged-west')).toMatchObject({ status: 'pending' });
        expect((await store().approvals.expire('west', LATER)).map(({ id }) => id)).toContain('aged-west');
      });

      it('remember each their own decisions and runs, for cool-downs and limits per hour', async () => {
        await both('told');
        await store().approvals.move('told-east', 'pending', 'denied', { decidedBy: 'x', decidedAt: LATER });
        const told = { principal: 'told', argsDigest: 'told' };
        expect(await store().approvals.decidedSince({ ...told, cluster: 'west' }, NOW)).toEqual([]);
        expect(await store().approvals.decidedSince({ ...told, cluster: 'east' }, NOW)).toHaveLength(1);
        const began = { ...run('told-run'), principal: 'told', cluster: 'east', startedAt: LATER };
        const seen: number[] = [];
        const admission = { since: NOW, check: (recent: RunRecord[]) => void seen.push(recent.length) };
        await store().runs.begin(began, 'w', LATER);
        for (const cluster of ['east', 'west'])
          await store().runs.begin({ ...began, id: `told-${cluster}`, cluster }, 'w', LATER, { admission });
        expect(seen).toEqual([1, 0]);
        expect(await store().runs.since({ principal: 'told', cluster: 'west' }, NOW)).toHaveLength(1);
      });

      it('revoke each their own standing approvals', async () => {
        const lease = { id: 'lse-east', cluster: 'east', operations: ['stop_vm'], tag: 't', usesLeft: 1, madeBy: 'x', createdAt: NOW };
        await store().standing.add({ ...lease, expiresAt: LATER });
        expect(await store().standing.revoke('lse-east', 'west', NOW)).toBe(false);
        expect(await store().standing.revoke('lse-east', 'east', NOW)).toBe(true);
      });
    });

    it('takes a use of a standing approval for every guest, and none from one that is over or has too few', async () => {
      const lease = { id: 'lse-used', cluster: 'c', operations: ['stop_vm'], tag: 't', usesLeft: 3, madeBy: 'x', createdAt: NOW };
      await store().standing.add({ ...lease, expiresAt: LATER });
      expect(await store().standing.use('lse-used', 4, NOW)).toBe(false);
      expect(await store().standing.use('lse-used', 1, LATER)).toBe(false);
      expect(await store().standing.use('lse-used', 2, NOW)).toBe(true);
      expect(await store().standing.use('lse-used', 2, NOW)).toBe(false);
      expect(await store().standing.open('c', NOW)).toMatchObject([{ id: 'lse-used', usesLeft: 1 }]);
      await store().standing.revoke('lse-used', 'c', NOW);
      expect(await store().standing.use('lse-used', 1, NOW)).toBe(false);
    });

    it('counts the owners who agreed to this approval, and to no other', async () => {
      for (const id of ['agree-1', 'agree-2']) await store().approvals.request(approval(id, { argsDigest: id }), NOW, 50);
      const yes = (owner: string) => ({ owner, principal: `token:${owner}`, via: 'human' as const, now: NOW });
      expect(await store().approvals.agree('agree-1', yes('anna'))).toEqual(['anna']);
      expect(await store().approvals.agree('agree-2', yes('bert'))).toEqual(['bert']);
      expect(await store().approvals.agree('agree-1', yes('anna'))).toEqual(['anna']);
      expect(new Set(await store().approvals.agree('agree-1', yes('carl')))).toEqual(new Set(['anna', 'carl']));
      const listed = (await store().approvals.list({ limit: 100 })).approvals.filter(({ id }) => id.startsWith('agree-'));
      for (const seen of [listed, await Promise.all(['agree-2', 'agree-1'].map((id) => store().approvals.get(id)))]) {
        const agreedBy = Object.fromEntries(seen.map((one) => [one?.id, new Set(one?.agreedBy)]));
        expect(agreedBy).toEqual({ 'agree-1': new Set(['anna', 'carl']), 'agree-2': new Set(['bert']) });
      }
    });

    it('does not count a yes by an access token that was revoked since, and counts the next one of its owner', async () => {
      await store().approvals.request(approval('agree-3', { argsDigest: 'agree-3' }), NOW, 50);
      const yes = (owner: string, name = owner) => ({ owner, principal: `token:${name}`, via: 'human' as const, now: NOW });
      const token = { role: 'approver' as const, cidrs: [], trustsClient: false, createdAt: NOW, expiresAt: LATER };
      for (const name of ['dora', 'emil']) await store().tokens.add({ ...token, id: `tok-${name}`, name, owner: name, hash: name });
      expect(await store().approvals.agree('agree-3', yes('dora'))).toEqual(['dora']);
      await store().approvals.agree('agree-3', yes('emil'));
      await store().tokens.revoke('tok-dora', NOW);
      expect((await store().approvals.get('agree-3'))?.agreedBy).toEqual(['emil']);
      expect(new Set(await store().approvals.agree('agree-3', yes('dora', 'dora-new')))).toEqual(new Set(['dora', 'emil']));
    });

    describe('after the time of retention', () => {
      const OLD = '2020-01-01T00:00:00.000Z';
      const BEFORE = '2025-12-01T00:00:00.000Z';
      const upid = (id: string) => `UPID:pve:00000001:00000001:00000001:qmstart:${id}:mcp@pve!agent:`;
      const begin = async (id: string, startedAt: string, end?: 'succeeded' | 'failed' | 'unknown') => {
        const asked = await store().approvals.request(
          approval(`apr-${id}`, { principal: `kept-${id}`, argsDigest: id, expiresAt: '2030-01-01T00:00:00.000Z' }),
          startedAt,
          5,
        );
        if (asked === 'full') throw new Error('full');
        const decision = { approvalId: asked.id, decidedBy: 'x', decidedVia: 'relay' as const };
        await store().runs.begin({ ...run(`run-${id}`, asked.id), startedAt }, 'w', LATER, { decision });
        await store().runs.journal(`run-${id}`, 'w', [{ id: 's', state: 'sent', at: startedAt, upid: upid(id) }], LATER);
        if (end)
          await store().runs.end(`run-${id}`, 'w', {
            status: end,
            steps: [{ id: 's', state: 'done', at: startedAt, upid: upid(id) }],
            endedAt: startedAt,
          });
      };

      it('keeps what is pending, executing or unknown, what is newer, and which guests were made here', async () => {
        await begin('old-ok', OLD, 'succeeded');
        await begin('old-failed', OLD, 'failed');
        await begin('old-unknown', OLD, 'unknown');
        await begin('old-executing', OLD);
        await begin('new', NOW, 'succeeded');
        await store().guests.remember({ cluster: 'c', vmid: 777, key: 'made', runId: 'run-old-ok', at: OLD });
        await store().approvals.request(
          approval('apr-old-pending', { principal: 'kept-p', argsDigest: 'old-pending', expiresAt: '2030-01-01T00:00:00.000Z' }),
          OLD,
          5,
        );
        await store().approvals.request(approval('apr-old-expired', { principal: 'kept-e', argsDigest: 'e', expiresAt: OLD }), OLD, 5);
        await store().approvals.expire('c', '2020-01-02T00:00:00.000Z');
        const lease = { cluster: 'c', operations: ['stop_vm'], tag: 't', usesLeft: 1, madeBy: 'x', createdAt: OLD };
        await store().standing.add({ ...lease, id: 'lse-old', expiresAt: OLD });
        const token = { name: 'old', owner: 'x', role: 'viewer' as const, hash: 'h', cidrs: [], trustsClient: false, createdAt: OLD };
        await store().tokens.add({ ...token, id: 'tok-old', expiresAt: OLD });
        await store().tokens.add({ ...token, id: 'tok-new', name: 'new', expiresAt: '2030-01-01T00:00:00.000Z' });

        const removed = await store().retention.prune(BEFORE);
        expect(removed).toMatchObject({ runs: 2, leases: 1, tokens: 1 });
        const runs = ['old-ok', 'old-failed', 'old-unknown', 'old-executing', 'new'].map((id) => store().runs.get(`run-${id}`));
        expect((await Promise.all(runs)).map((one) => one?.status)).toEqual([undefined, undefined, 'unknown', 'executing', 'succeeded']);
        const approvals = ['old-ok', 'old-failed', 'old-unknown', 'old-executing', 'new', 'old-pending', 'old-expired'];
        const found = await Promise.all(approvals.map((id) => store().approvals.get(`apr-${id}`)));
        expect(found.map((one) => one?.status)).toEqual([undefined, undefined, 'unknown', 'executing', 'succeeded', 'pending', undefined]);
        expect(await store().guests.made('c', 777, 'made')).toBe(true);
        expect(await store().runs.byUpid(upid('old-ok'), 'c')).toBeUndefined();
        expect(await store().runs.byUpid(upid('old-unknown'), 'c')).toMatchObject({ id: 'run-old-unknown' });
        expect(await store().tokens.byName('old')).toBeUndefined();
        expect(await store().tokens.byName('new')).toBeDefined();
        expect(await store().retention.prune(BEFORE)).toMatchObject({ runs: 0, approvals: 0, leases: 0, tokens: 0, sessions: 0 });
      });

      it('knows the first answer to a form until it is pruned', async () => {
        const answer = (form: string, at: string) => store().approvals.isFirstAnswer(form, at);
        const times = [OLD, NOW, LATER];
        const first = await Promise.all(times.map((at) => answer('together', at)));
        expect(first.filter(Boolean)).toHaveLength(1);
        // As after an answer of the database that was lost.
        expect(await Promise.all(times.map((at) => answer('together', at)))).toEqual(first);
        expect([await answer('f', OLD), await answer('f', NOW), await answer('g', NOW)]).toEqual([true, false, true]);
        await store().retention.prune(BEFORE);
        expect([await answer('f', NOW), await answer('g', LATER)]).toEqual([true, false]);
      });

      it('is pruned by one process a day', async () => {
        const day = (n: number) => `2026-02-0${n}T00:00:00.000Z`;
        const asked = await Promise.all([0, 1, 2, 3].map(() => store().retention.isDue('test', day(2), day(1))));
        expect(asked.filter(Boolean)).toHaveLength(1);
        expect(await store().retention.isDue('test', day(2), day(1))).toBe(false);
        expect(await store().retention.isDue('test', day(4), day(3))).toBe(true);
      });

      it('deletes the names of the given guests', async () => {
        await store().guests.sawName('c', { key: 'gone', name: 'web', vmid: 501 }, OLD);
        await store().guests.sawName('c', { key: 'alive', name: 'db', vmid: 502 }, OLD);
        await store().guests.sawName('c', { key: 'recent', name: 'app', vmid: 503 }, NOW);
        const old = await store().retention.oldNames('c', BEFORE, 10);
        expect(old.map(({ key }) => key).sort()).toEqual(['alive', 'gone']);
        await store().retention.forgetNames('c', ['gone']);
        expect(await store().guests.names('c', 'gone')).toEqual([]);
        expect(await store().guests.names('c', 'alive')).toEqual(['db']);
      });
    });

    it('gives a task to the run that named it first', async () => {
      for (const id of ['first', 'second']) {
        await store().runs.begin(run(`run-upid-${id}`), 'w', LATER);
        const steps = [{ id: 's', state: 'sent' as const, at: NOW, upid: 'UPID:pve:1:2:3:qmstart:9:x@pve!y:' }];
        await store().runs.journal(`run-upid-${id}`, 'w', steps, LATER);
      }
      expect(await store().runs.byUpid('UPID:pve:1:2:3:qmstart:9:x@pve!y:', 'c')).toMatchObject({ id: 'run-upid-first' });
      expect(await store().runs.byUpid('UPID:pve:1:2:3:qmstart:9:x@pve!y:', 'west')).toBeUndefined();
    });

    it('pages through approvals, newest first, each once', async () => {
      for (let n = 0; n < 7; n++) {
        await store().approvals.request(
          approval(`p${n}`, { principal: 'pager', argsDigest: `p${n}` }),
          `2026-01-01T00:00:0${n % 3}.000Z`,
          50,
        );
      }
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store().approvals.list({ principal: 'pager', limit: 3, ...(cursor ? { cursor } : {}) });
        expect(page.total).toBe(7);
        seen.push(...page.approvals.map((a) => a.id));
        cursor = page.nextCursor;
      } while (cursor);
      expect(new Set(seen).size).toBe(7);
      expect(seen).toHaveLength(7);
    });
  });
}
