import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openAudit } from '../../../src/audit/writer.ts';
import { localCaller } from '../../../src/cli/lib/caller.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Caller } from '../../../src/core/people/caller.ts';
import { revokeToken } from '../../../src/engine/approvals/revoke-token.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
let store: Store;
afterEach(async () => {
  await store.close();
  await world.close();
});

const leaver: Caller = { ...agent, principal: 'token:leaver', owner: 'dora', channel: 'http', role: 'operator' };
async function setUp() {
  world = await openWorld();
  store = await openStore({ dataDir: world.dataDir });
  const times = { createdAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
  const token = {
    id: 'abc',
    name: 'leaver',
    owner: 'dora',
    role: 'operator' as const,
    hash: 'h',
    cidrs: [],
    trustsClient: false,
    ...times,
  };
  await store.tokens.add(token);
}
async function revoke(name = 'leaver') {
  const audit = openAudit({ file: join(world.dataDir, 'audit.jsonl'), clock: systemClock });
  try {
    return await revokeToken(name, localCaller('cli'), { store, audit, clock: systemClock });
  } finally {
    await audit.close();
  }
}
const asked = async (engine: World['engine'], operation: string, args: object, caller: Caller) => {
  const result = await engine.perform(operation, args, caller, { wait: 'end' });
  if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
  return result.approval.id;
};

describe('a token that is revoked', () => {
  it('loses its requests on every cluster of the store, each with a whole line in the audit, and those of others stay', async () => {
    await setUp();
    const here = await asked(world.engine, 'delete_vm', { vmid: 104 }, leaver);
    const west = await asked(world.another({}, { cluster: 'west' }), 'stop_vm', { vmid: 100 }, leaver);
    const other = await asked(world.engine, 'stop_vm', { vmid: 101 }, { ...leaver, principal: 'token:leaver2' });
    const { revoked, denied } = await revoke();
    expect({ revoked, denied: denied.sort() }).toEqual({ revoked: true, denied: [here, west].sort() });
    expect((await store.approvals.get(other))?.status).toBe('pending');
    const lines = world.audit().filter(({ kind, status }) => kind === 'decision' && status === 'denied');
    expect(lines).toHaveLength(2);
    expect(lines).toContainEqual(
      expect.objectContaining({
        approvalId: here,
        cluster: 'simulator',
        operation: 'delete_vm',
        target: expect.objectContaining({ vmid: 104, name: 'build1', node: 'pve' }),
        planDigest: (await store.approvals.get(here))?.digest,
        message: 'the access token was revoked',
        ...{ principal: localCaller('cli').principal, owner: localCaller('cli').owner, channel: 'cli' },
      }),
    );
    expect(lines).toContainEqual(expect.objectContaining({ approvalId: west, cluster: 'west' }));
    expect(await world.refused(world.call('approve', { approval_id: here }, {}, leaver))).toMatchObject({ code: 'approval_denied' });
  });

  it('is revoked once; a second call ends the rest, and an unknown name is refused', async () => {
    await setUp();
    const left = await asked(world.engine, 'delete_vm', { vmid: 104 }, leaver);
    // The work of a call that was interrupted.
    await store.tokens.revoke('abc', new Date().toISOString());
    expect(await revoke()).toEqual({ revoked: false, denied: [left] });
    expect(await revoke()).toEqual({ revoked: false, denied: [] });
    expect(await world.refused(revoke('nobody'))).toMatchObject({ code: 'invalid_arguments' });
  });

  it.each(['start_vm', 'delete_vm'])('while %s is planned sends nothing and asks no human', async (operation) => {
    await setUp();
    const { faults } = world.cluster.simulator;
    faults.add({ match: { method: 'GET', path: '/qemu/105/status/current$' }, action: 'hold-before', times: 1 });
    const refused = world.refused(world.call(operation, { vmid: 105 }, {}, leaver));
    await faults.untilHeld();
    expect(await revoke()).toEqual({ revoked: true, denied: [] });
    faults.release();
    expect(await refused).toMatchObject({ code: 'forbidden_by_policy', message: expect.stringContaining('leaver was revoked') });
    expect(world.cluster.mutations()).toEqual([]);
    expect((await store.approvals.list({ status: 'pending', limit: 10 })).approvals).toEqual([]);
  });

  it('while a human decides about its request sends nothing', async () => {
    await setUp();
    const id = await asked(world.engine, 'delete_vm', { vmid: 105 }, leaver);
    const { faults } = world.cluster.simulator;
    faults.add({ match: { method: 'GET', path: '/qemu/105/status/current$' }, action: 'hold-before', times: 1 });
    const answer = { approvalId: id, via: 'terminal' as const, typed: 'dev1 105' };
    const refused = world.refused(world.call('approve', { approval_id: id }, { answer }, operator()));
    await faults.untilHeld();
    await store.tokens.revoke('abc', new Date().toISOString());
    faults.release();
    expect(await refused).toMatchObject({ code: 'forbidden_by_policy' });
    expect(world.cluster.mutations()).toEqual([]);
  });
});
