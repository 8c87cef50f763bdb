import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../../src/audit/verify.ts';
import { openAudit } from '../../../src/audit/writer.ts';
import type { ApprovalRecord, ApprovalStatus } from '../../../src/core/approval.ts';
import type { Caller } from '../../../src/core/caller.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Plan } from '../../../src/core/plan.ts';
import {
  checkMatches,
  checkOpen,
  denyApproval,
  expireApprovals,
  recordDecision,
  requestApproval,
  visibleApproval,
} from '../../../src/engine/approvals/requests.ts';
import { Deadline } from '../../../src/engine/deadline.ts';
import type { Ports } from '../../../src/engine/ports.ts';
import type { ChangeOperation } from '../../../src/operations/define.ts';
import SqliteDatabase from '../../../src/sqlite.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { asker, guest, iso, type Parts, parts, planOf } from '../../helpers/parts.ts';

let store: Store;
let dataDir: string;
let clusters = 0;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'requests-'));
  store = await openStore({ dataDir });
});
afterAll(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true });
});

/** A cluster of its own on the one store. */
function world(over: Partial<Parts> = {}): Parts {
  const ports = parts(store, { dataDir });
  clusters += 1;
  return Object.assign(ports, { proxmox: { ...ports.proxmox, cluster: `c${clusters}` } }, over);
}
interface Asking {
  plan?: Plan;
  args?: object;
  caller?: Caller;
  reason?: string;
}
const ask = (ports: Ports, { plan = planOf(), args = { vmid: 105 }, caller = asker(), reason }: Asking = {}) =>
  requestApproval(
    {
      operation: {} as ChangeOperation,
      args: args as { vmid: number },
      caller,
      options: reason === undefined ? {} : { reason },
      deadline: new Deadline('end', 0, ports),
      plan,
      method: 'terminal',
      needed: 2,
    },
    ports,
  );
const refused = (code: string, message: string) => expect.objectContaining({ code, message });
const lines = (ports: Parts) => ports.told.map(({ kind, status, principal }) => `${kind} ${status} by ${principal}`);

describe('asking for an approval', () => {
  it('stores what a human decides about, until it expires, and says so in the audit', async () => {
    const ports = world();
    const scope = { pools: ['p'] };
    const approval = await ask(ports, { caller: asker({ client: 'claude', scope }), reason: 'because' });
    expect(approval).toEqual({
      id: expect.stringMatching(/^apr_/),
      cluster: ports.proxmox.cluster,
      principal: 'local:agent',
      owner: 'local:agent',
      channel: 'stdio',
      client: 'claude',
      operation: 'stop_vm',
      args: { vmid: 105 },
      plan: planOf(),
      digest: expect.any(String),
      effect: 'disrupt',
      method: 'terminal',
      needed: 2,
      scope,
      reason: 'because',
      status: 'pending',
      createdAt: iso(0),
      expiresAt: iso(900),
    });
    expect(await store.approvals.get(approval.id)).toEqual(approval);
    expect(ports.told).toMatchObject([{ kind: 'approval', status: 'pending', approvalId: approval.id, planDigest: approval.digest }]);
    const bare = await ask(world());
    expect(bare).not.toHaveProperty('reason');
    expect(bare).not.toHaveProperty('scope');
  });

  it('again finds the one that is pending, and announces it once', async () => {
    const announced: unknown[] = [];
    const ports = world({ notify: async (what: unknown) => void announced.push(what) } as Partial<Parts>);
    const first = await ask(ports);
    expect(announced).toHaveLength(1);
    expect((await ask(ports)).id).toBe(first.id);
    expect(announced).toHaveLength(1);
    expect(lines(ports)).toEqual(['approval pending by local:agent', 'approval pending by local:agent']);
  });

  it('keeps the secrets of a new one alone', async () => {
    const ports = world();
    const sealed: string[] = [];
    ports.vault = { ...ports.vault, idsIn: () => ['s1'], seal: (id) => ({ id: `${ports.proxmox.cluster}-${id}`, sealed: 'x' }) };
    const kept = store.secrets.keep;
    ports.store = async () => ({
      ...store,
      secrets: {
        ...store.secrets,
        keep: (id, all) => {
          sealed.push(id);
          return kept(id, all);
        },
      },
    });
    const first = await ask(ports);
    await ask(ports);
    expect(sealed).toEqual([first.id]);
  });

  it('ends the expired ones in the name of the server, and the one that it replaces in that of the caller', async () => {
    const ports = world();
    await ask(ports, { args: { vmid: 1 } });
    ports.clock.at = 60;
    await ask(ports);
    ports.clock.at = 900;
    ports.told.length = 0;
    await ask(ports, { plan: planOf({ summary: 'x', expected: [{ kind: 'location', type: 'qemu', vmid: 105, node: 'pve' }] }) });
    expect(lines(ports)).toEqual(['decision expired by server', 'decision stale by local:agent', 'approval pending by local:agent']);
  });

  it('is refused by a full queue, which names what the caller may know of', async () => {
    const ports = world();
    const about = (vmid: number) => ({ args: { vmid }, plan: planOf({ summary: `stop ${vmid}`, target: guest(vmid) }) });
    const own = [];
    for (const vmid of [1, 2, 3]) own.push(await ask(ports, about(vmid)));
    const full = await ask(ports, about(4)).catch((error) => error);
    expect(full).toMatchObject({ code: 'too_many_pending' });
    const [a, b, c] = own.map(({ id }) => `${id} (expires ${iso(900)})`).reverse();
    expect(full.message).toMatch(/^3 approvals of yours are pending already. Yours: /);
    for (const one of [a, b, c]) expect(full.message).toContain(one);
    expect(full.details.pending).toHaveLength(3);
    expect(full.details.pending).toContainEqual({ approval_id: own[0]?.id, summary: 'stop 1', expires_at: iso(900) });

    const others = world();
    for (const name of ['a', 'b', 'c']) await ask(others, { ...about(1), caller: asker({ principal: name }) });
    await expect(ask(others, about(1))).rejects.toEqual(refused('too_many_pending', '3 approvals about this guest are pending already.'));
  });

  it('tells the names that its guests had before, those of a list with the guest', async () => {
    const ports = world();
    const named = (vmid: number, name: string) => guest(vmid, { name, key: `${ports.proxmox.cluster}-${vmid}` });
    await ask(ports, { plan: planOf({ target: named(1, 'old') }), args: { n: 1 } });
    const renamed = await ask(ports, { plan: planOf({ target: named(1, 'new'), facts: { ha: 'started' } }), args: { n: 2 } });
    expect(renamed.plan.facts).toEqual({ ha: 'started', formerNames: ['old'] });
    const list = planOf({ targets: [named(1, ''), named(2, 'db')] });
    expect((await ask(ports, { plan: list, args: { n: 3 } })).plan.facts).toEqual({ formerNames: ['new (now 1)', 'old (now 1)'] });
    const both = planOf({ targets: [named(1, 'newest'), named(2, 'db')] });
    const { plan } = await ask(
      world({
        proxmox: ports.proxmox,
        settings: { ...ports.settings, approval: { mode: 'relay', ttlSeconds: 900, maxPendingPerPrincipal: 9 } },
      }),
      {
        plan: both,
        args: { n: 4 },
      },
    );
    expect(plan.facts?.formerNames).toEqual(['new (now newest 1)', 'old (now newest 1)']);
    expect((await ask(world(), { plan: planOf() })).plan).not.toHaveProperty('facts');
  });
});

describe('an approval', () => {
  it('is seen by its requester and by those who decide, on its cluster', async () => {
    const ports = world();
    const { id } = await ask(ports);
    for (const caller of [asker(), asker({ principal: 'x', isOperator: true }), asker({ principal: 'x', role: 'approver' })])
      expect((await visibleApproval(id, caller, ports)).id).toBe(id);
    await expect(visibleApproval(id, asker({ principal: 'x' }), ports)).rejects.toEqual(
      refused('approval_unknown', `Approval ${id} is not one of yours.`),
    );
    await expect(visibleApproval('apr_x', asker({ isOperator: true }), ports)).rejects.toMatchObject({ code: 'approval_unknown' });
    const elsewhere = world();
    await expect(visibleApproval(id, asker(), elsewhere)).rejects.toEqual(
      refused('approval_mismatch', `Approval ${id} is for the cluster ${ports.proxmox.cluster}, not for ${elsewhere.proxmox.cluster}.`),
    );
  });

  it('is expired once its time is over, at the next look, with one line', async () => {
    const ports = world();
    const { id } = await ask(ports);
    ports.clock.at = 899;
    expect((await visibleApproval(id, asker(), ports)).status).toBe('pending');
    ports.clock.at = 900;
    ports.told.length = 0;
    expect((await visibleApproval(id, asker(), ports)).status).toBe('expired');
    await expireApprovals(ports);
    expect(lines(ports)).toEqual(['decision expired by server']);
  });

  it('expires with a thousand others in two writes of the audit, each with one lock and one sync', async () => {
    const ports = world();
    const { id } = await ask(ports);
    const db = new SqliteDatabase(join(dataDir, 'store.sqlite'));
    const row = db.prepare('SELECT * FROM approvals WHERE id = ?').get(id) as object;
    const columns = Object.keys(row);
    const copy = db.prepare(`INSERT INTO approvals (${columns.join()}) VALUES (${columns.map((name) => `@${name}`).join()})`);
    const fill = () => {
      for (let copies = 1; copies < 1000; copies += 1) copy.run({ ...row, id: `${id}-${copies}`, args_digest: `${id}-${copies}` });
    };
    db.transaction(fill)();
    db.close();
    ports.clock.at = 900;
    const writes: number[] = [];
    const anchor = { wrote: (_head: unknown, count: number) => void writes.push(count), close: async () => {} };
    const audit = openAudit({ file: join(dataDir, 'thousand.jsonl'), clock: systemClock, anchor });
    await expireApprovals({ ...ports, audit });
    await audit.close();
    // The first line finds the writer idle and goes at once; the others wait for it together.
    expect(writes).toEqual([1, 999]);
    const { cluster } = ports.proxmox;
    expect((await store.approvals.list({ cluster, status: 'expired', limit: 1 })).total).toBe(1000);
    expect(await verifyAudit(audit.file)).toMatchObject({ count: 1000, problems: [] });
  }, 60_000);

  it('is for exactly its operation and arguments', async () => {
    const approval = await ask(world());
    expect(() => checkMatches(approval, 'stop_vm', { vmid: 105 })).not.toThrow();
    expect(() => checkMatches(approval, 'start_vm', { vmid: 105 })).toThrow(
      refused('approval_mismatch', `Approval ${approval.id} is for stop_vm, not for start_vm.`),
    );
    expect(() => checkMatches(approval, 'stop_vm', { vmid: 105, force: true })).toThrow(
      expect.objectContaining({
        code: 'approval_mismatch',
        message: `Approval ${approval.id} is for stop_vm with other arguments.`,
        details: { approved: { vmid: 105 }, given: { vmid: 105, force: true } },
      }),
    );
  });

  it('is denied once, with the reason', async () => {
    const ports = world();
    const approval = await ask(ports);
    ports.told.length = 0;
    const denied = await denyApproval(approval, 'not now', asker(), ports);
    expect(denied).toMatchObject({ status: 'denied', decidedBy: 'local:agent', decidedAt: iso(0), note: 'not now' });
    expect(ports.told).toMatchObject([{ kind: 'decision', status: 'denied', approvalId: approval.id, message: 'not now' }]);
    // As another process sees it that read it before.
    await expect(denyApproval(approval, undefined, asker(), ports)).rejects.toMatchObject({ code: 'approval_denied' });
    await expect(denyApproval(denied, undefined, asker(), ports)).rejects.toMatchObject({ code: 'approval_denied' });
    expect(ports.told).toHaveLength(1);
    const silent = await denyApproval(
      await ask(world()),
      undefined,
      asker(),
      world({ proxmox: { ...ports.proxmox, cluster: `c${clusters}` } }),
    );
    expect(silent).not.toHaveProperty('note');
  });
});

describe('the line about a decision', () => {
  const approval = {
    ...planOf(),
    id: 'apr_1',
    plan: planOf(),
    cluster: 'c',
    digest: 'd',
    operation: 'stop_vm',
  } as unknown as ApprovalRecord;
  const line = async (over: Partial<ApprovalRecord>, ...[status, via]: [string, ('relay' | 'elicitation' | 'human')?]) => {
    const ports = parts();
    await recordDecision({ ...approval, ...over }, asker(), ports, status, via);
    return ports.told[0];
  };
  it('says how it was decided, and what is to be minded about it', async () => {
    expect(await line({}, 'approved', 'human')).toEqual({
      kind: 'decision',
      operation: 'stop_vm',
      cluster: 'c',
      principal: 'local:agent',
      owner: 'local:agent',
      channel: 'stdio',
      target: expect.objectContaining({ vmid: 105 }),
      approvalId: 'apr_1',
      planDigest: 'd',
      status: 'approved',
      decidedVia: 'human',
    });
    expect(await line({ note: 'n' }, 'approved', 'human')).not.toHaveProperty('message');
    expect(await line({}, 'approved', 'relay')).toMatchObject({ decidedVia: 'relay', message: 'relayed by agent, no human verified' });
    expect(await line({}, 'approved', 'elicitation')).toMatchObject({ message: 'answered in the client' });
    expect(await line({ note: 'swiftly' }, 'approved', 'elicitation')).toMatchObject({ message: 'answered in the client; swiftly' });
    expect(await line({}, 'expired')).not.toHaveProperty('decidedVia');
  });
  it('says why it was denied or became stale', async () => {
    for (const status of ['denied', 'stale']) {
      expect(await line({ note: 'why\u0007' }, status)).toMatchObject({ message: 'why' });
      expect(await line({}, status)).not.toHaveProperty('message');
    }
    expect(await line({ note: 'why' }, 'expired')).not.toHaveProperty('message');
  });
});

describe('an approval that is over', () => {
  const open = (over: Partial<ApprovalRecord>) => () => checkOpen({ id: 'apr_1', expiresAt: iso(900), ...over } as ApprovalRecord);
  it.each<[ApprovalStatus, object, string, string]>([
    ['denied', {}, 'approval_denied', 'Approval apr_1 was denied.'],
    ['denied', { note: 'no' }, 'approval_denied', 'Approval apr_1 was denied: no.'],
    ['expired', {}, 'approval_expired', `Approval apr_1 expired at ${iso(900)}.`],
    ['stale', {}, 'approval_stale', 'Approval apr_1 is stale.'],
    ['stale', { note: 'renamed' }, 'approval_stale', 'Approval apr_1 is stale: renamed.'],
    ['succeeded', {}, 'approval_used', 'Approval apr_1 was used already (succeeded).'],
  ])('says so: %s %o', (status, over, code, message) => expect(open({ status, ...over })).toThrow(refused(code, message)));

  it('names its run, and one that is pending is open', () => {
    expect(open({ status: 'executing', runId: 'run_1' })).toThrow(
      expect.objectContaining({ details: { status: 'executing', run_id: 'run_1' } }),
    );
    expect(open({ status: 'failed' })).toThrow(expect.objectContaining({ details: { status: 'failed' } }));
    expect(open({ status: 'pending' })).not.toThrow();
  });
});
