import { afterEach, describe, expect, it } from 'vitest';
import { agent, openWorld, type World } from './world.ts';

let world: World;
afterEach(() => world.close());

async function make(name: string): Promise<number> {
  return (await world.done('create_vm', { name, disk_gb: 1, start_on_create: true })).vmid as number;
}

describe('a full queue', () => {
  it('names the pending approvals of the caller with their expiry, and none of others', async () => {
    world = await openWorld({ approval: { mode: 'relay', ttlSeconds: 900, maxPendingPerPrincipal: 1 } });
    const [one, two] = [await make('one'), await make('two')];
    const id = await world.asks('stop_vm', { vmid: one });
    const mine = await world.refused(world.call('stop_vm', { vmid: two }));
    expect(mine).toMatchObject({
      code: 'too_many_pending',
      message: expect.stringContaining(`1 approvals of yours wait for a decision already; yours: ${id} (expires 2`),
    });
    expect(mine.details).toEqual({
      pending: [{ approval_id: id, summary: expect.stringContaining(`one (${one})`), expires_at: expect.stringMatching(/^\d{4}-/) }],
    });
    const other = await world.refused(
      world.call('stop_vm', { vmid: one }, {}, { ...agent, principal: 'local:other', owner: 'local:other' }),
    );
    expect(other.message).toBe('1 approvals about this guest wait for a decision already.');
    expect(JSON.stringify(other)).not.toContain(id);
  });
});
