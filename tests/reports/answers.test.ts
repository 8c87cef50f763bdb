import { describe, expect, test } from 'vitest';
import { openWorld, planOf, requestsOf, useWorlds, type World } from '../helpers/described/index.ts';
import { readOperation } from '../helpers/operations.ts';
import { openAuthorities } from '../proxmox/certificates.ts';
import { connectionTo, openClient, startScripted } from '../proxmox/server.ts';

useWorlds();

async function read(name: string, args: object, world: World) {
  const { ctx } = await openWorld(world);
  const operation = readOperation(name);
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  return operation.output.parse(await operation.read(ctx, operation.input.parse(args))) as any;
}

describe('influxdata/telegraf#9938, bpg/terraform-provider-proxmox#15, #655: the same field as a number and as a text', () => {
  test.each([501, '501'])('vmid as %o in the list of the cluster', async (vmid) => {
    const authorities = openAuthorities();
    const certificate = authorities.create('types').issue();
    const server = await startScripted(certificate, () => ({
      data: [{ id: 'qemu/501', type: 'qemu', vmid, node: 'pve', name: 'a', status: 'running', maxcpu: '2', maxmem: '1073741824' }],
    }));
    const api = openClient(connectionTo([{ port: server.port }], { fingerprints: [certificate.fingerprint] }));
    try {
      const operation = readOperation('list_vms');
      const { vms } = (await operation.read({ api, settings: {} } as never, operation.input.parse({}))) as { vms: object[] };
      expect(vms[0]).toMatchObject({ vmid: 501, cpus: 2, memory_mb: 1024 });
    } finally {
      await api.close();
      await server.close();
      authorities.remove();
    }
  });
});

test('danitso/terraform-provider-proxmox#22: a container whose configuration has a raw lxc list', async () => {
  const config = { hostname: 'raw', cores: 1, rootfs: 'local-lvm:vm-502-disk-0,size=4G' };
  const lxc = [['lxc.apparmor.profile', 'unconfined']];
  const pending = Object.entries({ ...config, lxc }).map(([key, value]) => ({ key, value }));
  const answers = { '/nodes/pve/lxc/502/pending': pending, '/nodes/pve/lxc/502/config': { ...config, lxc } };
  const answer = await read('get_vm', { vmid: 502 }, { guests: [{ vmid: 502, type: 'lxc', config }], answers });
  expect(answer).toMatchObject({ name: 'raw', disks: [{ slot: 'rootfs', size_gb: 4 }] });
  expect(answer.config).not.toHaveProperty('lxc');
});

test('a guest called 2024 is listed, found and shown', async () => {
  const world: World = { guests: [{ vmid: 503, config: { name: 2024 } }] };
  expect((await read('list_vms', { name: '2024' }, world)).vms).toMatchObject([{ vmid: 503, name: '2024' }]);
  expect(await read('get_vm', { vmid: 503 }, world)).toMatchObject({ name: '2024' });
});

describe('community.general#9895, Telmate/proxmox-api-go#368: tags with capitals', () => {
  test('they are sent as given, sorted and without exact doubles', async () => {
    const plan = await planOf('create_vm', { name: 'a', tags: ['Prod', 'Debian', 'DEBIAN', 'Prod'], storage: 'local-lvm' }, {});
    const sent = requestsOf(plan).flatMap((step) => (step.params.tags === undefined ? [] : [step.params.tags]));
    expect(sent).toEqual(['DEBIAN;Debian;Prod']);
  });
  test('they are compared without case', async () => {
    const world: World = { guests: [{ vmid: 504, config: { name: 'a', tags: 'Prod' } }] };
    expect((await read('list_vms', { tag: 'prod' }, world)).total).toBe(1);
  });
});
