import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyAudit } from '../../../src/audit/verify.ts';
import { openAudit } from '../../../src/audit/writer.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { defined } from '../../../src/core/defined.ts';
import type { ApprovalRecord, ApprovalStatus } from '../../../src/core/plan/approval.ts';
import { checkOpen, denyApproval, expireApprovals, recordDecision, visibleApproval } from '../../../src/engine/approvals/decisions.ts';
import SqliteDatabase from '../../../src/sqlite.ts';
import { asker, iso, parts, planOf } from '../../helpers/parts.ts';
import { ask, lines, refused, useRequests } from '../../helpers/requests.ts';

const requests = useRequests();

describe('an approval', () => {
  it('is seen by its requester and by those who decide, on its cluster', async () => {
    const ports = requests.world();
    const { id } = await ask(ports);
    for (const caller of [asker(), asker({ principal: 'x', isOperator: true }), asker({ principal: 'x', role: 'approver' })])
      expect((await visibleApproval(id, caller, ports)).id).toBe(id);
    await expect(visibleApproval(id, asker({ principal: 'x' }), ports)).rejects.toEqual(
      refused('approval_unknown', `Approval ${id} is not one of yours.`),
    );
    await expect(visibleApproval('apr_x', asker({ isOperator: true }), ports)).rejects.toMatchObject({ code: 'approval_unknown' });
    const elsewhere = requests.world();
    await expect(visibleApproval(id, asker(), elsewhere)).rejects.toEqual(
      refused('approval_mismatch', `Approval ${id} is for the cluster ${ports.proxmox.cluster}, not for ${elsewhere.proxmox.cluster}.`),
    );
  });

  it('is expired once its time is over, at the next look, with one line', async () => {
    const ports = requests.world();
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
    const ports = requests.world();
    const { id } = await ask(ports);
    const db = new SqliteDatabase(join(requests.dataDir, 'store.sqlite'));
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
    const anchor = { wrote: ({ count }: { count: number }) => void writes.push(count), close: async () => {} };
    const file = join(requests.dataDir, 'thousand.jsonl');
    const audit = openAudit({ file, clock: systemClock, anchor });
    await expireApprovals({ ...ports, audit });
    await audit.close();
    // The first line finds the writer idle and goes at once; the others wait for it together.
    expect(writes).toEqual([1, 999]);
    const { cluster } = ports.proxmox;
    expect((await requests.store.approvals.list({ cluster, status: 'expired', limit: 1 })).total).toBe(1000);
    expect(await verifyAudit(file)).toMatchObject({ count: 1000, problems: [] });
  }, 60_000);

  it('is denied once, with the reason', async () => {
    const ports = requests.world();
    const approval = await ask(ports);
    ports.told.length = 0;
    const denied = await denyApproval(approval, { caller: asker(), reason: 'not now' }, ports);
    expect(denied).toMatchObject({ status: 'denied', decidedBy: 'local:agent', decidedAt: iso(0), note: 'not now' });
    expect(ports.told).toMatchObject([{ kind: 'decision', status: 'denied', approvalId: approval.id, message: 'not now' }]);
    // As another process sees it that read it before.
    await expect(denyApproval(approval, { caller: asker() }, ports)).rejects.toMatchObject({ code: 'approval_denied' });
    await expect(denyApproval(denied, { caller: asker() }, ports)).rejects.toMatchObject({ code: 'approval_denied' });
    expect(ports.told).toHaveLength(1);
    const other = requests.world();
    const silent = await denyApproval(await ask(other), { caller: asker() }, requests.again(other));
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
    await recordDecision({ ...approval, ...over }, { caller: asker(), status, ...defined({ via }) }, ports);
    return ports.told[0];
  };
  it('names the approval method and a caveat', async () => {
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
    ['succeeded', {}, 'approval_used', 'Approval apr_1 was already used (succeeded).'],
  ])('says so: %s %o', (status, over, code, message) => expect(open({ status, ...over })).toThrow(refused(code, message)));

  it('names its run, and one that is pending is open', () => {
    expect(open({ status: 'executing', runId: 'run_1' })).toThrow(
      expect.objectContaining({ details: { status: 'executing', run_id: 'run_1' } }),
    );
    expect(open({ status: 'failed' })).toThrow(expect.objectContaining({ details: { status: 'failed' } }));
    expect(open({ status: 'pending' })).not.toThrow();
  });
});
