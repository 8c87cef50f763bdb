import { describe, expect, it } from 'vitest';
import { asker, guest, iso, type Parts, planOf } from '../../helpers/parts.ts';
import { ask, lines, refused, useRequests } from '../../helpers/requests.ts';

const requests = useRequests();

describe('a request for an approval', () => {
  it('stores the question for a human until it expires, with a line in the audit', async () => {
    const ports = requests.world();
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
    expect(await requests.store.approvals.get(approval.id)).toEqual(approval);
    expect(ports.told).toMatchObject([{ kind: 'approval', status: 'pending', approvalId: approval.id, planDigest: approval.digest }]);
    const bare = await ask(requests.world());
    expect(bare).not.toHaveProperty('reason');
    expect(bare).not.toHaveProperty('scope');
  });

  it('finds the one that is pending, and announces it once', async () => {
    const announced: unknown[] = [];
    const ports = requests.world({ notify: async (what: unknown) => void announced.push(what) } as Partial<Parts>);
    const first = await ask(ports);
    expect(announced).toHaveLength(1);
    expect((await ask(ports)).id).toBe(first.id);
    expect(announced).toHaveLength(1);
    expect(lines(ports)).toEqual(['approval pending by local:agent', 'approval pending by local:agent']);
  });

  it('keeps only the secrets of a new approval', async () => {
    const ports = requests.world();
    const sealed: string[] = [];
    ports.vault = { ...ports.vault, idsIn: () => ['s1'], seal: (id) => ({ id: `${ports.proxmox.cluster}-${id}`, sealed: 'x' }) };
    const kept = requests.store.secrets.keep;
    ports.store = async () => ({
      ...requests.store,
      secrets: {
        ...requests.store.secrets,
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
    const ports = requests.world();
    await ask(ports, { args: { vmid: 1 } });
    ports.clock.at = 60;
    await ask(ports);
    ports.clock.at = 900;
    ports.told.length = 0;
    await ask(ports, { plan: planOf({ summary: 'x', expected: [{ kind: 'location', type: 'qemu', vmid: 105, node: 'pve' }] }) });
    expect(lines(ports)).toEqual(['decision expired by server', 'decision stale by local:agent', 'approval pending by local:agent']);
  });

  it('is refused by a full queue, which names only approvals that the caller may see', async () => {
    const ports = requests.world();
    const about = (vmid: number) => ({ args: { vmid }, plan: planOf({ summary: `stop ${vmid}`, target: guest(vmid) }) });
    const own = [];
    for (const vmid of [1, 2, 3]) own.push(await ask(ports, about(vmid)));
    const full = await ask(ports, about(4)).catch((error) => error);
    expect(full).toMatchObject({ code: 'too_many_pending' });
    const [a, b, c] = own.map(({ id }) => `${id} (expires ${iso(900)})`).reverse();
    expect(full.message).toMatch(/^3 approvals of yours are already pending. Yours: /);
    for (const one of [a, b, c]) expect(full.message).toContain(one);
    expect(full.details.pending).toHaveLength(3);
    expect(full.details.pending).toContainEqual({ approval_id: own[0]?.id, summary: 'stop 1', expires_at: iso(900) });

    const others = requests.world();
    for (const name of ['a', 'b', 'c']) await ask(others, { ...about(1), caller: asker({ principal: name }) });
    await expect(ask(others, about(1))).rejects.toEqual(refused('too_many_pending', '3 approvals about this guest are already pending.'));
  });

  it('has the former names of its guests, in a list with the guest', async () => {
    const ports = requests.world();
    const named = (vmid: number, name: string) => guest(vmid, { name, key: `${ports.proxmox.cluster}-${vmid}` });
    await ask(ports, { plan: planOf({ target: named(1, 'old') }), args: { n: 1 } });
    const renamed = await ask(ports, { plan: planOf({ target: named(1, 'new'), facts: { ha: 'started' } }), args: { n: 2 } });
    expect(renamed.plan.facts).toEqual({ ha: 'started', formerNames: ['old'] });
    const list = planOf({ targets: [named(1, ''), named(2, 'db')] });
    expect((await ask(ports, { plan: list, args: { n: 3 } })).plan.facts).toEqual({ formerNames: ['new (now 1)', 'old (now 1)'] });
    const both = planOf({ targets: [named(1, 'newest'), named(2, 'db')] });
    const { plan } = await ask(
      requests.world({
        proxmox: ports.proxmox,
        settings: { ...ports.settings, approval: { mode: 'relay', ttlSeconds: 900, maxPendingPerPrincipal: 9 } },
      }),
      {
        plan: both,
        args: { n: 4 },
      },
    );
    expect(plan.facts?.formerNames).toEqual(['new (now newest 1)', 'old (now newest 1)']);
    expect((await ask(requests.world(), { plan: planOf() })).plan).not.toHaveProperty('facts');
  });
});
