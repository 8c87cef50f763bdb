import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import type { Session } from '../../../src/engine/session.ts';
import { createGauges } from '../../../src/http/gauges.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const asked = async (engine: World['engine'], vmid: number) => {
  const result = await engine.perform('stop_vm', { vmid }, agent, { wait: 'end' });
  if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
  return result.approval.id;
};

describe('two clusters on one store', () => {
  it('show each their own approvals in the console and in the metrics', async () => {
    world = await openWorld();
    const west = world.another({}, { cluster: 'west' });
    const id = await asked(west, 100);
    await west.perform('deny', { approval_id: await asked(west, 101) }, agent);
    expect(await world.engine.watch()).toEqual({ pending: [], total: 0, recent: [] });
    const seen = await west.watch();
    expect(seen.pending.map((one) => one.id)).toEqual([id]);
    expect(seen.recent).toMatchObject([{ status: 'denied' }]);
    expect([await world.engine.approval(id), await west.approval(id)]).toMatchObject([undefined, { id }]);
    const pending = async (engine: World['engine']) =>
      (await createGauges({ engine } as Session)()).find(({ name }) => name === 'proxmox_mcp_approvals_pending')?.value;
    expect([await pending(world.engine), await pending(west)]).toEqual([0, 1]);
  });

  it('end each their own when their time is up', async () => {
    world = await openWorld({ approval: { mode: 'relay', ttlSeconds: 60, maxPendingPerPrincipal: 10 } });
    const clock = { ...systemClock, now: () => Date.now() + 61_000 };
    const id = await asked(world.another({}, { cluster: 'west' }), 100);
    await world.another({}, { clock }).watch();
    const expired = () => world.audit().filter(({ status }) => status === 'expired');
    expect(expired()).toEqual([]);
    await world.another({}, { clock, cluster: 'west' }).watch();
    expect(expired()).toMatchObject([{ approvalId: id, cluster: 'west' }]);
  });

  it('count each their own for a cool-down and for limits per hour', async () => {
    const rules = [{ match: { operation: ['stop_vm'] }, never: false, cooldown: 600 }];
    const limited = { policy: { rules, perHour: { creates: 1 } } };
    world = await openWorld(limited);
    await world.done('deny', { approval_id: await world.asks('stop_vm', { vmid: 100 }) });
    await world.done('create_vm', { name: 'one', disk_gb: 1 });
    const west = world.another(limited, { cluster: 'west' });
    expect(await asked(west, 100)).toMatch(/^apr_/);
    expect(await west.perform('create_vm', { name: 'two', disk_gb: 1 }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
    expect(await world.refused(world.call('stop_vm', { vmid: 100 }))).toMatchObject({ code: 'rate_limited' });
    expect(await world.refused(world.call('create_vm', { name: 'three', disk_gb: 1 }))).toMatchObject({ code: 'rate_limited' });
  });

  it('revoke each their own standing approvals', async () => {
    world = await openWorld();
    const request = { operations: ['stop_vm'], tag: 'lab', uses: 1, minutes: 5 };
    const { id } = await world.engine.standing.create(request, operator());
    await expect(world.another({}, { cluster: 'west' }).standing.revoke(id, operator())).rejects.toMatchObject({
      code: 'approval_unknown',
    });
    await world.engine.standing.revoke(id, operator());
  });
});
