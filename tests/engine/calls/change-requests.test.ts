import { expect, it } from 'vitest';
import { withEngine } from '../../helpers/with-engine.ts';

const world = withEngine();

/** The requests of a piece of work, in order. */
async function askedBy(work: () => Promise<unknown>): Promise<string[]> {
  const { requests } = world().cluster;
  const before = requests.length;
  await work();
  return requests.slice(before).map(({ method, path }) => `${method} ${path}`);
}

it('a start of a guest that a list showed reads neither the fleet nor anything twice before its request', async () => {
  const { vms } = (await world().done('list_vms', { status: 'stopped', type: 'vm' })) as { vms: { vmid: number; node: string }[] };
  const [{ vmid, node }] = vms as [{ vmid: number; node: string }];
  const asked = await askedBy(() => world().done('start_vm', { vmid }));
  const guest = `/nodes/${node}/qemu/${vmid}`;
  const planned = asked.slice(0, asked.indexOf(`POST ${guest}/status/start`));
  const reads = ['/access/permissions', '/nodes', `${guest}/pending`, `${guest}/snapshot`, `${guest}/status/current`, '/version'];
  expect(planned.sort()).toEqual(reads.map((path) => `GET ${path}`));
  expect(asked).not.toContain('GET /cluster/resources');
});
