import { describe, expect, it } from 'vitest';
import type { Params, RequestStep } from '../../src/core/plan/plan.ts';
import type { ChangeOperation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';
import { nameOf, unstated } from '../../src/operations/stated.ts';
import { contract } from '../../src/proxmox/contract/contract.ts';
import { openWorld } from '../helpers/world.ts';

// Those that send what their caller names state what they never send.
const own = operations.filter(({ anyBut }) => anyBut === undefined);
const onCluster = own.filter(({ effect }) => effect !== 'control').map(({ name }) => name);
const changing = own.flatMap((operation) => ('plan' in operation ? [operation.name] : []));
/** Reads the contract, nothing of the cluster. */
const OFF_CLUSTER = ['api_search'];

describe('the methods of the API that an operation states', () => {
  const stated = operations.flatMap((operation) => {
    const sends = 'sends' in operation ? { ...operation.sends, ...operation.maySend } : {};
    const reads = [...(operation.reads ?? []), ...(operation.mayRead ?? [])].map((name) => name.split('?')[0] ?? '');
    return [...Object.entries(sends), ...reads.map((name): [string, string[]] => [name, []])].map(
      ([method, params]): [string, string, readonly string[]] => [operation.name, method, params],
    );
  });

  it('are some for each operation on the cluster, and requests for each that changes it', () => {
    const some = (names: string[]) => onCluster.filter((name) => !names.includes(name));
    expect(some(stated.map(([name]) => name))).toEqual(OFF_CLUSTER);
    expect(changing.filter((name) => !stated.some(([one, method]) => one === name && !method.startsWith('GET')))).toEqual([]);
  });

  it.each(stated)('%s: %s exists in Proxmox VE 9.2, with the parameters', async (_name, method, params) => {
    const { parameters } = (await contract()).named(method) ?? { parameters: undefined };
    expect(parameters).toBeDefined();
    const known = (name: string) => name in (parameters ?? {}) || name.replace(/\d+$/, '[n]') in (parameters ?? {});
    expect(params.map(nameOf).filter((name) => !known(name))).toEqual([]);
  });

  const stop = operations.find(({ name }) => name === 'stop_vm') as ChangeOperation;
  const request = (path: string, params: Params): RequestStep => ({ kind: 'request', id: 'x', method: 'POST', path, params, purpose: 'x' });
  it.each([
    ['another method', request('/nodes/pve/qemu/105/status/reset', {}), ['POST /nodes/pve/qemu/105/status/reset']],
    ['a path below a stated one', request('/nodes/pve/qemu/105/status/stop/now', {}), ['POST /nodes/pve/qemu/105/status/stop/now']],
    [
      'another parameter',
      request('/nodes/pve/qemu/105/status/stop', { skiplock: true }),
      ['skiplock of POST /nodes/pve/qemu/105/status/stop'],
    ],
    [
      'a parameter of another method',
      request('/nodes/pve/lxc/1/status/stop', { timeout: 9 }),
      ['timeout of POST /nodes/pve/lxc/1/status/stop'],
    ],
    ['nothing else', request('/nodes/pve/lxc/1/status/stop', { 'overrule-shutdown': true }), []],
  ])('find out a plan that sends %s', (_what, step, odd) => {
    expect(unstated(stop, { steps: [step] })).toEqual(odd);
  });
});

it('a plan with a request that its operation does not state is refused before anything is sent', async () => {
  const world = await openWorld();
  const start = operations.find(({ name }) => name === 'start_vm') as ChangeOperation;
  const { sends } = start;
  try {
    Object.assign(start, { sends: { 'POST /nodes/{node}/lxc/{vmid}/status/start': [] } });
    const error = await world.refused(world.call('start_vm', { vmid: 105 }));
    expect(error).toMatchObject({ code: 'internal', message: expect.stringContaining('POST /nodes/pve/qemu/105/status/start') });
    expect(world.cluster.mutations()).toEqual([]);
  } finally {
    Object.assign(start, { sends });
    await world.close();
  }
});
