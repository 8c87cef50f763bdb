import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asError } from '../../../src/core/errors/errors.ts';
import { shaped } from '../../../src/proxmox/answers/shape.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

// A proxy, a captive page, a half-written answer: 200 with a body that no Proxmox sends there.
const BODIES = [
  '{"data":null}',
  '{"data":[]}',
  '{"data":{}}',
  '{"data":""}',
  '{"data":"text"}',
  '{"data":0}',
  '{"data":true}',
  '{"data":[null]}',
  '{"data":[[]]}',
  '{"data":["text"]}',
  '{"data":[{}]}',
  '{"data":[{"vmid":"abc","type":"qemu","node":"pve"}]}',
  '{"data":[{"vmid":-5,"type":"qemu","node":"pve"}]}',
  '{"data":[{"vmid":1e99,"type":"lxc","node":"pve"}]}',
  '{"data":[{"vmid":100,"type":"qemu","node":{"x":1}}]}',
  '{"data":[{"vmid":100,"type":"qemu"}]}',
  '{"data":[{"vmid":100,"type":"qemu","node":"pve","name":["a"]}]}',
  '{"data":[{"node":null}]}',
  '{"data":[{"storage":{}}]}',
  '{"data":{"version":[]}}',
  '{"data":{"status":{}}}',
  '{"nothing":1}',
  '[]',
  '""',
];
const CALLS: [string, object][] = [
  ['list_vms', {}],
  ['get_vm', { vmid: 100 }],
  ['create_vm', { name: 'odd', storage: 'local-lvm', image: 'local:import/debian-12-genericcloud-amd64.qcow2' }],
  ['clone_template', { source_vmid: 9000, name: 'odd' }],
  ['start_vm', { vmid: 105 }],
  ['set_resources', { vmid: 105, memory: 640 }],
  ['stop_vm', { vmid: 103, force: true }],
  ['delete_vm', { vmid: 105 }],
];

describe.each(CALLS)('an answer that Proxmox never gives, to a read of %s', (operation, args) => {
  const options = operation === 'list_vms' || operation === 'get_vm' ? {} : { dryRun: true };
  let world: World;
  let paths: string[];
  // A new engine remembers no rights, so it asks for them.
  const anew = () => world.another().perform(operation, args, agent, options);
  beforeAll(async () => {
    world = await openWorld();
    await anew();
    paths = [...new Set(world.cluster.requests.filter(({ method }) => method === 'GET').map(({ path }) => path))];
    expect(paths.length).toBeGreaterThan(0);
  });
  afterAll(() => world.close());

  it.each(BODIES)('becomes an error about the answer, not about this server or the arguments: %s', async (body) => {
    const told: string[] = [];
    for (const path of paths) {
      const match = { method: 'GET', path: `^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$` };
      world.cluster.simulator.faults.add({ match, action: 'status', status: 200, reason: 'OK', body });
      const answer = path === '/access/permissions' ? anew() : world.call(operation, args, options);
      const code = await answer.then(
        () => 'done',
        (thrown) => asError(thrown).code,
      );
      world.cluster.simulator.faults.clear();
      if (code === 'internal' || code === 'invalid_arguments') told.push(`${path}: ${code}`);
    }
    expect(told).toEqual([]);
  });
});

it.each(['unknown', 'prelaunch', ''])('a guest whose state is "%s" is neither stopped nor running', (status) => {
  const path = '/nodes/pve/qemu/100/status/current';
  expect(() => shaped(path, { status })).toThrow(
    expect.objectContaining({ code: 'proxmox_refused', message: expect.stringContaining(`status is "${status}"`) }),
  );
  for (const one of ['running', 'stopped']) expect(shaped(path, { status: one })).toEqual({ status: one });
});

it('numbers where text belongs are read as text', () => {
  const rows = [{ vmid: 100, type: 'qemu', node: 'pve', name: 2024, tags: null }];
  expect(shaped('/cluster/resources', rows)).toEqual([{ vmid: 100, type: 'qemu', node: 'pve', name: '2024' }]);
});

it('an answer without a shape passes unchanged', () => {
  const odd = { data: [1, null, { x: [] }] };
  expect(shaped('/some/path/of/later', odd)).toBe(odd);
  expect(shaped('/nodes/pve/storage/local/content', [{ volid: 'local:iso/a.iso', vmid: null, ctime: null, mark: 'x' }])).toHaveLength(1);
});

describe('a value that no calculation, no clock and no address can use', () => {
  const guest = { vmid: 100, type: 'qemu', node: 'pve' };
  it.each([
    ['/cluster/resources', [{ ...guest, maxmem: 'NaN' }], 'maxmem is text instead of a number'],
    ['/cluster/resources', [{ ...guest, maxdisk: {} }], 'maxdisk is an object instead of a number'],
    ['/cluster/resources', [{ ...guest, cpu: '' }], 'cpu is text instead of a number'],
    ['/cluster/resources', [{ ...guest, node: '\ud800' }], 'node is ""'],
    ['/cluster/resources', [{ ...guest, node: '../pve' }], 'node is "../pve"'],
    ['/nodes', [{ node: 'pve\u001b[2J' }], 'node is "pve[2J"'],
    ['/nodes', [{ node: 'pve', maxcpu: 'many' }], 'maxcpu is text instead of a number'],
    ['/nodes/pve/qemu', [{ vmid: 100, cpus: [] }], 'cpus is a list instead of a number'],
    ['/nodes/pve/storage', [{ storage: 'local', avail: 'much' }], 'avail is text instead of a number'],
    ['/nodes/pve/storage', [{ storage: 'a/b' }], 'storage is "a/b"'],
    ['/nodes/pve/storage/local/content', [{ volid: 'local:iso/a.iso', ctime: 'x' }], 'ctime is text instead of a number'],
    ['/nodes/pve/tasks', [{ upid: 'UPID', starttime: 'x' }], 'starttime is text instead of a number'],
    ['/nodes/pve/qemu/100/snapshot', [{ name: 's1', snaptime: 'x' }], 'snaptime is text instead of a number'],
    ['/nodes/pve/qemu/100/status/current', { status: 'running', mem: 'x' }, 'mem is text instead of a number'],
    ['/nodes/pve/qemu/100/pending', [{ key: 'cores', value: 'abc' }], 'cores is text instead of a number'],
    ['/nodes/pve/qemu/100/pending', [{ key: 'balloon', value: 512, pending: 'x' }], 'balloon is text instead of a number'],
    ['/nodes/pve/qemu/100/config', { sockets: {} }, 'sockets is an object instead of a number'],
  ])('GET %s %j', (path, data, fault) => {
    expect(() => shaped(path, data)).toThrow(
      expect.objectContaining({ code: 'proxmox_refused', message: expect.stringContaining(`${fault}, which is not a valid answer`) }),
    );
  });
  it.each([
    ['/cluster/resources', [{ ...guest, maxmem: '1024', cpu: '0.5', mem: 1e3, uptime: '1.5e-3' }]],
    ['/nodes/pve/qemu/100/pending', [{ key: 'cores', value: '4', pending: 2 }, { key: 'name', value: 'abc' }, { key: 'balloon' }]],
    ['/nodes/pve/storage', [{ storage: 'my-store_1.x', avail: 0 }]],
  ])('GET %s %j is an answer like others', (path, data) => {
    expect(shaped(path, data)).toBe(data);
  });
  it('becomes an error of the tools that calculate with it', async () => {
    const world = await openWorld();
    try {
      for (const [path, row, operation, args] of [
        ['/rrddata$', { time: 'x' }, 'get_metrics', { vmid: 100 }],
        ['/rrddata$', null, 'get_metrics', { vmid: 100 }],
        ['/metrics/export$', 5, 'get_metrics', {}],
        ['/snapshot$', { name: 's1', snaptime: 'x' }, 'list_snapshots', { vmid: 104 }],
        ['/content$', { volid: 'local:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma', content: 'backup', ctime: 'x' }, 'list_backups', {}],
        ['^/nodes$', { node: '\ud800' }, 'get_cluster', {}],
        ['/tasks$', { upid: 'UPID:x', starttime: 'x' }, 'get_task', { mine: false }],
      ] as const) {
        const body = JSON.stringify({ data: [row] });
        world.cluster.simulator.faults.add({ match: { method: 'GET', path }, action: 'status', status: 200, reason: 'OK', body });
        const code = await world.call(operation, args).then(
          () => 'done',
          (thrown) => asError(thrown).code,
        );
        world.cluster.simulator.faults.clear();
        expect(`${operation}: ${code}`).not.toContain('internal');
      }
    } finally {
      await world.close();
    }
  });
});

describe('a row of the list of guests', () => {
  const guest = { id: 'qemu/100', type: 'qemu', vmid: 100, node: 'pve', name: 'web1', status: 'running' };
  const answer = (changes: object) => shaped('/cluster/resources', [guest, { ...guest, vmid: 101, ...changes }]);
  it('stays as it is where all texts are texts', () => {
    expect(answer({ tags: 'a;b', pool: 'prod' })).toEqual([guest, { ...guest, vmid: 101, tags: 'a;b', pool: 'prod' }]);
  });
  it.each([
    ['a name that is a number', { name: 2024 }, { name: '2024' }],
    ['tags that are a number', { tags: 5 }, { tags: '5' }],
    ['a lock that is null', { lock: null }, {}],
    ['a VMID that is a text', { vmid: '101' }, { vmid: '101' }],
  ])('is read with %s', (_what, given, read) => {
    const { lock: _null, ...rest } = { ...guest, vmid: 101, ...given } as Record<string, unknown>;
    expect(answer(given)).toEqual([guest, { ...rest, ...read }]);
  });
  it.each([
    ['a list as name', { name: ['a'] }],
    ['an object as pool', { pool: {} }],
    ['no node', { node: undefined }],
    ['a broken VMID', { vmid: 100.5 }],
    ['a VMID that is too large', { vmid: 1e9 }],
    ['a truth as storage', { storage: true }],
    ['a list as memory', { maxmem: [] }],
    ['a node that leaves its segment', { node: '../x' }],
  ])('is refused with %s', (_what, given) => {
    expect(() => answer(given)).toThrow(expect.objectContaining({ code: 'proxmox_refused' }));
  });
});
