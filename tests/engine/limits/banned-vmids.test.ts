import { afterEach, describe, expect, it } from 'vitest';
import type { PolicyMatch } from '../../../src/core/settings/policy.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

/** The next free VMID of this cluster is 108. */
const banning = async (...matches: PolicyMatch[]) => {
  const rules = matches.map((match) => ({ match, never: true }));
  world = await openWorld({ policy: { rules, perHour: {} } });
};
const create = (name: string, more: object = {}) => ({ name, disk_gb: 1, ...more });
const vmidsOf = (from: number, to: number): PolicyMatch => ({ vmid: [{ from, to }] });

describe('a guest whose VMID the server chooses', () => {
  it('gets one outside the ranges that the policy bans, in a dry-run as in the call', async () => {
    await banning(vmidsOf(100, 199), vmidsOf(200, 200), { ...vmidsOf(201, 250), effect: ['change', 'destroy'] });
    const shown = await world.call('create_vm', create('one'), { dryRun: true });
    expect(shown).toMatchObject({ kind: 'dry_run', plan: { demand: { vmid: 251 } } });
    expect(await world.done('create_vm', create('one'))).toMatchObject({ vmid: 251 });
    expect(await world.done('create_vm', create('two'))).toMatchObject({ vmid: 252 });
  });

  it('gets the next one where a rule bans its range for some alone', async () => {
    await banning({ ...vmidsOf(100, 199), effect: ['destroy'] }, { ...vmidsOf(100, 199), operation: ['delete_vm'] });
    expect(await world.done('create_vm', create('one'))).toMatchObject({ vmid: 108 });
  });

  it('is refused where the policy bans every VMID', async () => {
    await banning(vmidsOf(100, 999_999_999));
    const refused = await world.refused(world.call('create_vm', create('one')));
    expect(refused).toMatchObject({ code: 'forbidden_by_policy', message: 'The policy never allows create_vm for VMID 108.' });
  });

  it('is refused where the caller names a banned one', async () => {
    await banning(vmidsOf(100, 199));
    expect(await world.refused(world.call('create_vm', create('one', { vmid: 150 })))).toMatchObject({ code: 'forbidden_by_policy' });
  });
});
