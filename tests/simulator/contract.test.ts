import { describe, expect, it } from 'vitest';
import { findMethod, validateRequest } from '../../src/simulator/contract.ts';
import { readData } from '../../src/simulator/data.ts';

const contract = JSON.parse(readData('contract.json')) as { methods: Record<string, Record<string, unknown>> };
const methods = Object.entries(contract.methods).flatMap(([path, by]) => Object.keys(by).map((method) => ({ method, path })));

it('knows all 661 methods, and finds each by a path with real values', () => {
  expect(methods).toHaveLength(661);
  const lost = methods.filter(({ method, path }) => findMethod(method, path.replaceAll(/\{[^}]+\}/g, 'x1'))?.method.path !== path);
  expect(lost).toEqual([]);
});

it('checks every one of them: an unknown parameter is always named', () => {
  const silent = methods.filter(({ method, path }) => {
    const found = findMethod(method, path.replaceAll(/\{[^}]+\}/g, 'x1'));
    return (
      !found?.method.open &&
      !('bogus-parameter' in validateRequest(method, path.replaceAll(/\{[^}]+\}/g, 'x1'), { 'bogus-parameter': '1' }))
    );
  });
  expect(silent).toEqual([]);
});

it('says so when there is no such method', () => {
  expect(validateRequest('GET', '/nodes/pve/bogus', {})).toEqual({ path: "Method 'GET /nodes/pve/bogus' not implemented" });
  expect(validateRequest('POST', '/version', {})).toHaveProperty('path');
});

describe('valid requests', () => {
  it.each<[string, string, Record<string, string | string[]>]>([
    ['GET', '/cluster/resources', { type: 'vm' }],
    [
      'POST',
      '/nodes/pve/qemu',
      {
        vmid: '100',
        name: 'a.b',
        memory: '512',
        scsi0: 'local-lvm:0,import-from=local:import/x.qcow2,discard=on',
        ide2: 'local:cloudinit',
      },
    ],
    [
      'POST',
      '/nodes/pve/qemu',
      {
        vmid: '100',
        net0: 'virtio,bridge=vmbr0,tag=5',
        boot: 'order=scsi0;net0',
        agent: 'enabled=1',
        cpu: 'host',
        ipconfig0: 'ip=10.0.0.2/24,gw=10.0.0.1',
      },
    ],
    [
      'PUT',
      '/nodes/pve/qemu/100/config',
      { sshkeys: 'ssh-ed25519%20AAAA', nameserver: '1.1.1.1 2606:4700::1', tags: 'a;b', delete: 'tags', onboot: '0' },
    ],
    ['POST', '/nodes/pve/qemu/100/agent/exec', { command: ['/bin/echo', 'a b'] }],
    ['DELETE', '/nodes/pve/storage/local/content/local:100/vm-100-disk-0.qcow2', {}],
    ['PUT', '/pools', { poolid: 'agents', vms: '100,101', delete: '1' }],
    ['POST', '/nodes/pve/vzdump', { vmid: '100', storage: 'nas', mode: 'snapshot', compress: 'zstd', remove: '0' }],
  ])('%s %s', (method, path, params) => {
    expect(validateRequest(method, path, params)).toEqual({});
  });
});

describe('invalid ones', () => {
  it.each<[string, string, Record<string, string | string[]>, string]>([
    ['PUT', '/nodes/pve/qemu/100/config', { onboot: 'true' }, 'onboot'],
    ['PUT', '/nodes/pve/qemu/100/config', { net0: 'virtio=zz,bridge=vmbr0' }, 'net0'],
    ['PUT', '/nodes/pve/qemu/100/config', { ipconfig0: 'gw=10.0.0.1' }, 'ipconfig0'],
    ['PUT', '/nodes/pve/qemu/100/config', { memory: ['1', '2'] }, 'memory'],
    ['PUT', '/nodes/pve/qemu/100/config', { scsi31: 'local:1' }, 'scsi31'],
    ['PUT', '/nodes/pve/qemu/100/resize', { disk: 'scsi0', size: '1.5.5G' }, 'size'],
    ['PUT', '/nodes/pve/qemu/100/resize', { disk: 'scsi0' }, 'size'],
    ['POST', '/nodes/pve/qemu', { vmid: '100', unique: '1' }, 'archive'],
    ['POST', '/nodes/pve/qemu/100/snapshot', { snapname: 'x' }, 'snapname'],
    ['GET', '/nodes/pve/qemu/9x/config', {}, 'vmid'],
  ])('%s %s %j: %s', (method, path, params, named) => {
    expect(Object.keys(validateRequest(method, path, params))).toContain(named);
  });
});
