import { expect, test } from 'vitest';
import { planOf, useWorlds, webServer } from '../../../helpers/described/index.ts';

useWorlds();

test('tags that differ in case alone stay, where the operator allows both', async () => {
  const guests = [{ ...webServer, config: { ...webServer.config, tags: 'Web;web' } }];
  const plan = await planOf('update_vm', { vmid: 105, add_tags: ['b', 'B', 'WEB'] }, { guests });
  expect(plan.after).toEqual({ tags: 'Web;b;web' });
});
