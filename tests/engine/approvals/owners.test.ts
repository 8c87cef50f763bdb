import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { localCaller } from '../../../src/cli/lib/caller.ts';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { Policy } from '../../../src/core/settings/policy.ts';
import SqliteDatabase from '../../../src/sqlite.ts';
import { openStore } from '../../../src/store/index.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const remote = (owner: string): Caller => ({ ...agent, principal: `token:${owner}-bot`, owner, channel: 'http', role: 'operator' });
const approver = (owner: string): Caller => ({
  ...operator(owner),
  principal: `token:${owner}`,
  channel: 'console',
  role: 'approver',
  passphraseVerified: true,
});
const twoPeople: { policy: Policy } = {
  policy: { rules: [{ match: { operation: ['stop_vm'] }, never: false, approvals: 2 }], perHour: {} },
};
async function asked(caller: Caller, engine = world.engine): Promise<string> {
  const result = await engine.perform('stop_vm', { vmid: 100 }, caller, { wait: 'end' });
  if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
  return result.approval.id;
}
const yes = (id: string, caller: Caller, engine = world.engine) =>
  engine.perform('approve', { approval_id: id }, caller, {
    wait: 'end',
    answer: { approvalId: id, via: 'terminal', typed: 'web1 100' },
  });
const stops = () => world.cluster.mutations().filter(({ path }) => path.includes('/status/'));

describe('the owner of the requests and decisions of this user', () => {
  it('is their name, over every local channel', async () => {
    world = await openWorld();
    expect(localCaller('cli').owner).toBe(userInfo().username);
    expect(localCaller('stdio')).toMatchObject({ owner: userInfo().username, principal: `local:${process.getuid?.()}` });
  });

  it('counts once of two people: in the terminal, by a token of the same name, and as an earlier version stored it', async () => {
    world = await openWorld(twoPeople);
    const me = userInfo().username;
    const id = await asked(agent);
    const store = await openStore({ dataDir: world.dataDir });
    const before = { owner: `local:${process.getuid?.()}`, principal: 'local', via: 'human' as const, now: new Date().toISOString() };
    await store.approvals.agree(id, before);
    await store.close();
    for (const caller of [operator(me), approver(me), approver(me.toUpperCase())])
      expect(await yes(id, caller)).toMatchObject({ kind: 'approval_required', approval: { needed: 2 } });
    expect(stops()).toEqual([]);
    expect(await yes(id, approver('bert'))).toMatchObject({ kind: 'done' });
  });

  it('counts once in composed and decomposed letters and in any case', async () => {
    world = await openWorld(twoPeople);
    const id = await asked(agent);
    for (const owner of ['Ren\u00e9', 'Rene\u0301', 'RENE\u0301'])
      expect(await yes(id, approver(owner)), owner).toMatchObject({ kind: 'approval_required', approval: { agreedBy: ['Ren\u00e9'] } });
    expect(stops()).toEqual([]);
    expect(await world.done('list_approvals', {})).toMatchObject({ approvals: [{ approval_id: id, agreed: '1 of 2' }] });
  });
});

describe('a yes by an access token that is revoked before the others agree', () => {
  it('does not count, and its owner may agree again with another token', async () => {
    world = await openWorld(twoPeople);
    const id = await asked(agent);
    expect(await yes(id, approver('bert'))).toMatchObject({ approval: { agreedBy: ['bert'] } });
    const store = await openStore({ dataDir: world.dataDir });
    const now = new Date().toISOString();
    const token = { name: 'bert', owner: 'bert', role: 'approver' as const, hash: 'h', cidrs: [], trustsClient: false, createdAt: now };
    await store.tokens.add({ ...token, id: 't1', expiresAt: new Date(Date.now() + 60_000).toISOString() });
    await store.tokens.revoke('t1', now);
    await store.close();
    expect(await yes(id, approver('carol'))).toMatchObject({ kind: 'approval_required', approval: { needed: 2, agreedBy: ['carol'] } });
    expect(stops()).toEqual([]);
    expect(await yes(id, { ...approver('bert'), principal: 'token:bert-new' })).toMatchObject({ kind: 'done' });
  });
});

describe('the requesting owner', () => {
  it('does not decide in the console what they requested on this machine', async () => {
    world = await openWorld();
    const id = await asked({ ...agent, owner: 'anna' });
    const refused = await world.refused(yes(id, approver('Anna')));
    expect(refused).toMatchObject({ code: 'forbidden_by_policy', message: expect.stringContaining('Another owner must decide it') });
    expect(stops()).toEqual([]);
  });

  it('does not decide in the terminal of the server what their token requested over HTTP', async () => {
    world = await openWorld();
    const id = await asked(remote('anna'));
    expect(await world.refused(yes(id, operator('anna')))).toMatchObject({ code: 'forbidden_by_policy' });
    const unanswered = world.engine.perform('approve', { approval_id: id }, operator('anna'));
    expect(await world.refused(unanswered)).toMatchObject({ code: 'forbidden_by_policy' });
    expect(stops()).toEqual([]);
    expect(await yes(id, operator('bert'))).toMatchObject({ kind: 'done' });
  });

  it('decides in their terminal what their own agent on this machine requested', async () => {
    world = await openWorld();
    expect(await yes(await asked({ ...agent, owner: 'anna' }), operator('anna'))).toMatchObject({ kind: 'done' });
  });
});

describe('a stricter rule after the request', () => {
  it('of the mode: an approval that the agent relays is no longer enough', async () => {
    world = await openWorld();
    const id = await asked(agent);
    const later = world.another({ approval: { mode: 'human', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
    expect(await later.perform('approve', { approval_id: id }, agent, { wait: 0 })).toMatchObject({ kind: 'approval_required' });
    expect(stops()).toEqual([]);
  });

  it('of the policy: a second person has to agree', async () => {
    world = await openWorld();
    const id = await asked(agent);
    const later = world.another(twoPeople);
    expect(await yes(id, operator('anna'), later)).toMatchObject({ kind: 'approval_required', approval: { needed: 2 } });
    expect(stops()).toEqual([]);
    expect(await yes(id, operator('bert'), later)).toMatchObject({ kind: 'done' });
  });
});

describe('an approval whose stored plan was changed', () => {
  it('is refused and ended, with both digests in the audit, and nothing is sent', async () => {
    world = await openWorld();
    const [id, other] = [await asked(agent), await world.asks('delete_vm', { vmid: 104 })];
    const file = new SqliteDatabase(join(world.dataDir, 'store.sqlite'));
    file.prepare('update approvals set plan = (select plan from approvals where id = ?) where id = ?').run(other, id);
    file.close();
    expect(await world.refused(world.call('approve', { approval_id: id }))).toMatchObject({ code: 'approval_mismatch' });
    expect(await world.refused(yes(id, operator('anna')))).toMatchObject({ code: 'approval_stale' });
    expect(world.cluster.mutations()).toEqual([]);
    const [line] = world.audit().filter((record) => record.kind === 'decision' && record.approvalId === id);
    expect(line).toMatchObject({ status: 'stale', message: expect.stringMatching(/[0-9a-f]{64}.*[0-9a-f]{64}/) });
  });
});
