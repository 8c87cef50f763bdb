import { describe, expect, it } from 'vitest';
import { invalidRequests } from './simulator.ts';

const create = {
  method: 'POST',
  path: '/nodes/pve/qemu',
  params: { vmid: '105', name: 'web1', cores: '2', net0: 'virtio,bridge=vmbr0', onboot: '1' },
};

describe('the check that every request of every test goes through', () => {
  it('passes a request that Proxmox accepts', () => {
    expect(invalidRequests([create, { method: 'GET', path: '/cluster/resources', params: { type: 'vm' } }])).toEqual([]);
  });

  it.each([
    ['an unknown parameter', { params: { ...create.params, bogus: '1' } }, 'bogus'],
    ['a wrong type', { params: { ...create.params, cores: 'two' } }, 'cores'],
    ['a boolean in words', { params: { ...create.params, onboot: 'true' } }, 'onboot'],
    ['a wrong property string', { params: { ...create.params, net0: 'bogus=1' } }, 'net0'],
    ['a missing parameter', { params: { name: 'web1' } }, 'vmid'],
    ['an unknown path', { path: '/nodes/pve/bogus' }, 'path'],
    ['a wrong method', { method: 'PUT' }, 'path'],
  ])('can fail: %s', (_, change, parameter) => {
    expect(invalidRequests([{ ...create, ...change }])).toEqual([expect.objectContaining({ errors: { [parameter]: expect.any(String) } })]);
  });
});
