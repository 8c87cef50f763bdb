import { expect, it } from 'vitest';
import { renderResult } from '../../../src/render/result.ts';
import { withEngine } from '../../helpers/with-engine.ts';
import { agent } from '../../helpers/world.ts';

const world = withEngine();

it('the answer says when another call creates the guest with other arguments, and only then', async () => {
  const { faults } = world().cluster.simulator;
  faults.add({ match: { method: 'POST', path: '/qemu$' }, action: 'hold', times: 1 });
  const asked = { name: 'twice', disk_gb: 1, cloud_init: { user: 'ops', password: 'canary-password' } };
  const first = world().done('create_vm', asked);
  await faults.untilHeld();
  const others = [asked, { ...asked, disk_gb: 2 }, { ...asked, cloud_init: { user: 'ops', password: 'another' } }];
  const meanwhile = async (args: object) => renderResult(await world().another().perform('create_vm', args, agent, { wait: 1 })).structured;
  const [same, ...unlike] = await Promise.all(others.map(meanwhile)).finally(() => faults.release());
  expect(same).toMatchObject({ status: 'running' });
  expect(same).not.toHaveProperty('notice');
  for (const answer of unlike) expect(answer).toMatchObject({ status: 'running', notice: expect.stringContaining('with other arguments') });
  expect(JSON.stringify(unlike)).not.toContain('canary');
  expect(await first).toMatchObject({ created: true });
  expect(await world().done('create_vm', { ...asked, disk_gb: 2 })).toMatchObject({
    existing: true,
    differences: expect.arrayContaining(['disk_gb: requested 2, has 1']),
  });
}, 60_000);
