import { expect, test } from 'vitest';
import type { RunRecord } from '../../../../src/core/plan/run.ts';
import { type GuestSpec, openWorld, planIn, useWorlds, webServer } from '../../../helpers/described/index.ts';

useWorlds();

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';
const cloud: GuestSpec = {
  ...webServer,
  config: {
    ...webServer.config,
    ide0: 'local-lvm:vm-105-cloudinit,media=cdrom,size=4M',
    ciuser: 'ops',
    cipassword: '**********',
    sshkeys: encodeURIComponent(KEY),
    ipconfig0: 'gw=10.0.0.1,ip=10.0.0.5/24',
    nameserver: '1.1.1.1 9.9.9.9',
    searchdomain: 'example.org',
  },
};

async function differences(args: object, guest: GuestSpec = cloud, run?: object, permissions?: Record<string, string[]>) {
  const { ctx } = await openWorld(
    { guests: [guest], ...(permissions ? { permissions } : {}) },
    { madeBy: async () => run as RunRecord | undefined },
  );
  const operation = 'source_vmid' in args ? 'clone_template' : 'create_vm';
  const source = { ...webServer, vmid: 9000, config: { ...webServer.config, name: 'base', template: 1 } };
  const { ctx: withSource } = await openWorld({ guests: [guest, source] }, { madeBy: async () => run as RunRecord | undefined });
  const plan = await planIn(operation === 'clone_template' ? withSource : ctx, operation, { name: 'web1', ...args });
  return plan.existing?.differences;
}

test.each([
  [{ user: 'ops', sshkeys: `${KEY}\n`, ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1', nameserver: '1.1.1.1, 9.9.9.9' }, []],
  [{ searchdomain: 'example.org', ciupgrade: true }, []],
  [{ user: 'root' }, ['cloud_init.user: requested root, has ops']],
  [{ password: 'x' }, ['cloud_init.password: cannot be compared']],
  [{ sshkeys: KEY.replace('me@host', 'you@host') }, ['cloud_init.sshkeys differ']],
  [{ ipconfig0: 'ip=dhcp' }, ['cloud_init.ipconfig0: requested ip=dhcp, has gw=10.0.0.1,ip=10.0.0.5/24']],
  [{ ipconfig1: 'ip=dhcp' }, ['cloud_init.ipconfig1: requested ip=dhcp, has none']],
  [{ ipconfig7: 'ip=dhcp' }, ['cloud_init.ipconfig7: requested ip=dhcp, has none']],
  [{ nameserver: '8.8.8.8' }, ['cloud_init.nameserver: requested 8.8.8.8, has 1.1.1.1 9.9.9.9']],
  [{ searchdomain: 'example.com' }, ['cloud_init.searchdomain: requested example.com, has example.org']],
  [{ ciupgrade: false }, ['cloud_init.ciupgrade: requested false, has true']],
])('cloud-init %j is compared value by value', async (asked, expected) => {
  expect(await differences({ cloud_init: asked })).toEqual(expected);
});

test('a guest without a cloud-init drive has none of the requested values', async () => {
  expect(await differences({ cloud_init: { user: 'ops' } }, webServer)).toEqual(['cloud_init: requested, has no cloud-init drive']);
});

test('an ISO is compared with what is inserted', async () => {
  expect(await differences({ iso: 'local:iso/debian-12.iso' })).toEqual([]);
  expect(await differences({ iso: 'debian-12.iso' })).toEqual([]);
  expect(await differences({ iso: 'local:iso/other.iso' })).toEqual(['iso: requested local:iso/other.iso, has local:iso/debian-12.iso']);
});

test('the source of a disk is known from the record of the run, from a linked clone itself, or not at all', async () => {
  const image = 'local:import/debian-12.qcow2';
  const created = { operation: 'create_vm', status: 'succeeded', steps: [], args: { image }, plan: { steps: [] } };
  const cloned = { operation: 'clone_template', status: 'succeeded', steps: [], args: { source_vmid: 9000 }, plan: { steps: [] } };
  expect(await differences({ image }, cloud, created)).toEqual([]);
  expect(await differences({ image }, cloud, { ...created, args: {} })).toEqual([`image: requested ${image}, has none`]);
  expect(await differences({ image }, cloud, cloned)).toEqual([`image: requested ${image}, has a clone of 9000`]);
  expect(await differences({ image })).toEqual([
    `image: requested ${image}, cannot be compared: this server has no record of how this guest was created`,
  ]);
  expect(await differences({ source_vmid: 9000 }, cloud, cloned)).toEqual([]);
  expect(await differences({ source_vmid: 9000 }, cloud, created)).toEqual(['source_vmid: requested 9000, has none']);
  const linked = { ...cloud, config: { ...cloud.config, scsi0: 'tank:base-9000-disk-0/vm-105-disk-0,size=32G' } };
  expect(await differences({ source_vmid: 9000, full_clone: false }, linked)).toEqual([]);
  expect(await differences({ source_vmid: 9000, full_clone: true }, linked)).toEqual(['full_clone: requested true, has false']);
});

test('a pool is compared where the token sees pools, and reported as unknown where it does not', async () => {
  expect(await differences({ pool: 'shop' }, { ...cloud, pool: 'shop' })).toEqual([]);
  expect(await differences({ pool: 'shop' }, { ...cloud, pool: 'infra' })).toEqual(['pool: requested shop, has infra']);
  expect(await differences({ pool: 'shop' }, cloud, undefined, { '/': ['VM.Audit', 'Pool.Audit'] })).toEqual([
    'pool: requested shop, is not in it',
  ]);
  expect(await differences({ pool: 'shop' }, cloud, undefined, { '/': ['VM.Audit'] })).toEqual([
    'pool: requested shop, cannot be compared without Pool.Audit on /pool/shop',
  ]);
});

test('a guest that should run and is stopped differs', async () => {
  expect(await differences({ start_on_create: true })).toEqual([]);
  expect(await differences({ start_on_create: true }, { ...cloud, running: false })).toEqual(['status: requested running, is stopped']);
});
