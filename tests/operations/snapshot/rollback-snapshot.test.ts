import { expect, test } from 'vitest';
import { planOf, refusalOf, useWorlds, webServer } from '../../helpers/described/index.ts';

useWorlds();
const rollback = (more: object) =>
  planOf('rollback_snapshot', { vmid: 105, snapshot: 'before-upgrade' }, { guests: [{ ...webServer, ...more }] });

test('a guest that HA keeps started does not stay off after a rollback', async () => {
  const plan = await rollback({ ha: 'started' });
  expect(plan.warnings).toContain('web1 (105) runs and is powered off, then it starts again');
  expect(plan.warnings).toContain('HA manages the guest and starts it after the rollback');
  expect(plan.after).toMatchObject({ status: 'running' });
  // The HA manager may not have noticed yet that it is stopped.
  expect(plan.expected).toEqual([]);
  expect((await rollback({ ha: 'ignored' })).after).toMatchObject({ status: 'stopped' });
});

test.each([
  ['prepare', 'taken'],
  ['delete', 'deleted'],
])('no human is asked about a snapshot that was left in state %s, to which Proxmox never goes back', async (snapstate, done) => {
  const error = await refusalOf(rollback({ snapstate }));
  expect(error).toMatchObject({
    code: 'not_possible',
    message: `Snapshot before-upgrade of web1 (105) is incomplete: Proxmox was interrupted while it was ${done}.`,
  });
});
