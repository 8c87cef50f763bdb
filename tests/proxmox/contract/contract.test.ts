import { expect, it } from 'vitest';
import { contract } from '../../../src/proxmox/contract/contract.ts';
import { type Need, needOf, pathsOf, unmet } from '../../../src/proxmox/contract/need.ts';
import { needFor } from '../../../src/proxmox/contract/permissions.ts';
import { findMethod } from '../../../src/simulator/contract.ts';

const api = await contract();
const known = { major: 9, config: async () => ({}), backup: async () => ({}) };
const none = () => new Set<string>();

it('holds the 661 methods of Proxmox VE 9.2, each with its parameters and permission', () => {
  expect(api.methods).toHaveLength(661);
  const stop = api.named('POST /nodes/{node}/qemu/{vmid}/status/stop');
  expect(stop).toMatchObject({
    permission: { check: ['perm', '/vms/{vmid}', ['VM.PowerMgmt']] },
    noToken: false,
    parameters: { vmid: { type: 'integer', minimum: 100 }, 'overrule-shutdown': { type: 'boolean', optional: 1 } },
  });
});

it('agrees with the embedded cluster, which has its own copy, about every method', () => {
  for (const { method, path, parameters } of api.methods) {
    const other = findMethod(method, path)?.method;
    expect([path, Object.keys(parameters).sort()]).toEqual([other?.path, Object.keys(other?.parameters ?? {}).sort()]);
  }
});

it.each([
  ['GET', '/nodes/pve/qemu/105/config', '/nodes/{node}/qemu/{vmid}/config', { node: 'pve', vmid: '105' }],
  ['GET', '/cluster/backup/job-1', '/cluster/backup/{id}', { id: 'job-1' }],
  ['DELETE', '/nodes/pve/storage/a/content/a%3Aiso%2Fx.iso', '/nodes/{node}/storage/{storage}/content/{volume}', { volume: 'a:iso/x.iso' }],
  ['PUT', '/nodes/pve/qemu/1/snapshot/config/config', '/nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config', { snapname: 'config' }],
])('finds %s %s', (method, path, template, at) => {
  expect(api.find(method, path)).toMatchObject({ api: { method, path: template }, at });
});

it('finds nothing for a path or a method that the API has not', () => {
  expect(api.find('GET', '/nodes/pve/nothing')).toBeUndefined();
  expect(api.find('DELETE', '/version')).toBeUndefined();
});

it('evaluates the expression of every method: each path is filled, or Proxmox decides', () => {
  for (const { path, permission, parameters } of api.methods) {
    const values = Object.fromEntries([...Object.keys(parameters), ...named(path)].map((name) => [name, 'x']));
    for (const place of pathsOf(needOf(permission, values))) expect(place).not.toMatch(/[{}]/);
  }
});
const named = (path: string) => [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name ?? '');

const perm = (path: string, privileges: string[], ...more: unknown[]) => ['perm', path, privileges, ...more];
const lacking = (check: unknown[], values: Record<string, string>, has: Record<string, string[]> = {}) =>
  unmet(needOf({ check }, values), (path) => new Set(has[path]));

it('takes all privileges of an expression, or one of them where it says any', () => {
  expect(lacking(perm('/', ['A', 'B']), {}, { '/': ['A'] })).toEqual([{ path: '/', privileges: ['B'] }]);
  expect(lacking(perm('/', ['A', 'B'], 'any', 1), {}, { '/': ['B'] })).toEqual([]);
});

it('leaves out an alternative whose parameter is not sent, and names the narrowest of the others', () => {
  const check = ['or', perm('/vms/{newid}', ['VM.Allocate']), perm('/pool/{pool}', ['VM.Allocate'], 'require_param', 'pool')];
  expect(lacking(check, { newid: '7' })).toEqual([{ path: '/vms/7', privileges: ['VM.Allocate'] }]);
  expect(lacking(check, { newid: '7', pool: 'p' })).toEqual([{ path: '/pool/p', privileges: ['VM.Allocate'] }]);
  expect(lacking(check, { newid: '7', pool: 'p' }, { '/vms/7': ['VM.Allocate'] })).toEqual([]);
});

it('refuses nothing that it cannot know: rights by user, a path that is not filled, privileges that cannot be read', () => {
  expect(lacking(['or', ['userid-param', 'self'], perm('/', ['A'])], {})).toEqual([]);
  expect(lacking(perm('/x/{absent}', ['A']), {})).toEqual([]);
  expect(unmet({ path: '/', anyOf: ['A'] }, () => undefined)).toEqual([]);
});

it('names each missing privilege once', () => {
  const one: Need = {
    all: [
      { path: '/s', anyOf: ['A', 'B'] },
      { path: '/s', anyOf: ['A'] },
      { path: '/s', anyOf: ['A'] },
    ],
  };
  expect(unmet(one, none)).toEqual([{ path: '/s', privileges: ['A'] }]);
});

it('asks for no privilege that the version does not have', async () => {
  const agent = { method: 'GET', path: '/nodes/pve/qemu/105/agent/network-get-interfaces', params: {} };
  const monitor = () => new Set(['VM.Monitor']);
  expect(unmet(await needFor(agent, api, { ...known, major: 8 }), monitor)).toEqual([]);
  expect(unmet(await needFor(agent, api, known), monitor)).toHaveLength(1);
  const nic = { method: 'PUT', path: '/nodes/pve/qemu/105/config', params: { net0: 'virtio,bridge=vmbr0' } };
  const rights = () => new Set(['VM.Config.Network']);
  expect(unmet(await needFor(nic, api, { ...known, major: 7 }), rights)).toEqual([]);
  expect(unmet(await needFor(nic, api, known), rights)).toEqual([{ path: '/sdn/zones/localnetwork/vmbr0', privileges: ['SDN.Use'] }]);
});

it('demands nothing for a bridge that may be a VNet, whose zone its name does not tell', async () => {
  const nic = { method: 'PUT', path: '/nodes/pve/qemu/105/config', params: { net0: 'virtio,bridge=tenant1' } };
  expect(unmet(await needFor(nic, api, known), () => new Set(['VM.Config.Network']))).toEqual([]);
});

/** Containers were not measured: their rules are those of the API's documentation and of pve-container. */
it.each([
  [
    'POST',
    '/nodes/pve/lxc',
    {
      vmid: 300,
      ostemplate: 'local:vztmpl/a.tar.zst',
      rootfs: 'big:8',
      hostname: 'c',
      memory: 512,
      net0: 'name=eth0,bridge=vmbr0',
      pool: 'p',
    },
    [
      '/pool/p VM.Allocate',
      '/sdn/zones/localnetwork/vmbr0 SDN.Use',
      '/storage/big Datastore.AllocateSpace',
      '/storage/local Datastore.AllocateSpace|Datastore.Audit',
      '/vms/300 VM.Config.Disk',
      '/vms/300 VM.Config.Memory',
      '/vms/300 VM.Config.Network',
    ],
  ],
  ['PUT', '/nodes/pve/lxc/200/config', { cores: 2, hostname: 'c' }, ['/vms/200 VM.Config.CPU', '/vms/200 VM.Config.Network']],
  ['PUT', '/nodes/pve/lxc/200/resize', { disk: 'rootfs', size: '9G' }, ['/vms/200 VM.Config.Disk', '/vms/200 VM.Config.Options']],
  ['POST', '/nodes/pve/migrateall', { target: 'b', vms: '1,2' }, ['/vms/1 VM.Migrate', '/vms/2 VM.Migrate']],
  [
    'POST',
    '/nodes/pve/qemu/105/migrate',
    { target: 'b', targetstorage: 'big' },
    ['/storage/big Datastore.AllocateSpace', '/vms/105 VM.Config.Disk', '/vms/105 VM.Migrate'],
  ],
  ['POST', '/nodes/pve/qemu/105/migrate', { target: 'b', targetstorage: '1' }, ['/vms/105 VM.Migrate']],
])('%s %s %j needs what its documentation says', async (method, path, params, expected) => {
  const missing = unmet(await needFor({ method, path, params }, api, known), none);
  expect(missing.map((one) => `${one.path} ${one.privileges.join('|')}`).sort()).toEqual(expected);
});
