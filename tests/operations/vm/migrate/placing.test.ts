import { describe, expect, it } from 'vitest';
import {
  container,
  type GuestSpec,
  planOf,
  refusalOf,
  requestsOf,
  template,
  useWorlds,
  type World,
} from '../../../helpers/described/index.ts';

useWorlds();

const GIB = 2 ** 30;
const thin = { storage: 'local-lvm', type: 'lvmthin', content: 'images,rootdir', availGib: 200, totalGib: 500 };
const ceph = { storage: 'ceph', type: 'rbd', content: 'images,rootdir', shared: 1, availGib: 100 };
const files = { storage: 'files', type: 'dir', content: 'images,rootdir', availGib: 100 };
const node = (name: string, gib = 32, more: object = {}) => ({ node: name, maxmem: gib * GIB, ...more });
const cluster: World = {
  nodes: [node('pve'), node('pve2'), node('pve3', 64)],
  storages: { pve: [thin, ceph, files], pve2: [thin, ceph, files], pve3: [thin, ceph, files] },
};
const volume = (vmid: number, sizeGib: number) => ({
  ...{ storage: 'local-lvm', volid: `local-lvm:vm-${vmid}-disk-0`, content: 'images' },
  ...{ vmid, sizeGib },
});
const vm = (vmid: number, config: Record<string, string | number> = {}, more: Partial<GuestSpec> = {}): GuestSpec => ({
  vmid,
  running: true,
  config: { name: `vm${vmid}`, cores: 2, memory: '2048', scsi0: `ceph:vm-${vmid}-disk-0,size=8G`, ...config },
  ...more,
});
const ct = (config: Record<string, string>, more: Partial<GuestSpec> = {}): GuestSpec => ({
  ...container,
  vmid: 201,
  config: { ...container.config, ...config },
  ...more,
});
const move = (guests: GuestSpec[], args: object = {}, world: Partial<World> = {}) => {
  const [first] = guests;
  return planOf('migrate_vm', { vmid: first?.vmid, ...args }, { ...cluster, ...world, guests });
};
const refused = async (...args: Parameters<typeof move>) => (await refusalOf(move(...args))).message;
const targets = async (guests: GuestSpec[], world: Partial<World> = {}) => {
  const all = { ...cluster, ...world, guests };
  const plan = await planOf('migrate_vm', { vmids: guests.map(({ vmid }) => vmid) }, all);
  return Object.fromEntries(requestsOf(plan).map(({ task, params }) => [task?.id, params.target]));
};

describe('the target', () => {
  it('is the node with the smallest part of its memory assigned to running guests', async () => {
    expect((await move([vm(105)])).node).toBe('pve3');
    const busy = vm(106, { memory: '40000' }, { node: 'pve3', usedMib: 40_000 });
    expect((await move([vm(105), busy])).node).toBe('pve2');
  });

  it('does not change with present use, because an approval is planned again', async () => {
    const nodes = [node('pve'), node('pve2'), node('pve3')];
    const others = (used2: number, used3: number) => [
      vm(106, { memory: '8192' }, { node: 'pve2', usedMib: used2, cpu: used2 / 10_000 }),
      vm(107, { memory: '4096' }, { node: 'pve3', usedMib: used3, cpu: used3 / 10_000 }),
    ];
    const [calm, busy] = [
      await move([vm(105), ...others(100, 4000)], {}, { nodes }),
      await move([vm(105), ...others(8000, 100)], {}, { nodes }),
    ];
    expect([calm.node, busy.node]).toEqual(['pve3', 'pve3']);
    expect(calm.before).not.toEqual(busy.before);
  });

  it('is never an offline node, and says so when none is left', async () => {
    const nodes = [node('pve'), node('pve2'), node('pve3', 64, { status: 'offline' })];
    expect((await move([vm(105)], {}, { nodes })).node).toBe('pve2');
    expect(await refused([vm(105)], { target_node: 'pve3' }, { nodes })).toBe('Node pve3 is offline.');
    expect(await refused([vm(105)], {}, { nodes: [node('pve')] })).toBe('No other node that is online can take vm105 (105).');
  });

  it('has memory and CPUs for it: guests of one plan count for each other, the greatest first', async () => {
    const big = [vm(105, { memory: '4096' }), vm(106, { memory: '30000' }), vm(107, { memory: '30000' })];
    const nodes = [node('pve', 80), node('pve2', 36), node('pve3', 36)];
    const placed = await targets(big, { nodes });
    expect(new Set([placed[106], placed[107]])).toEqual(new Set(['pve2', 'pve3']));
    expect(await refused([vm(105, { memory: '50000' })], { target_node: 'pve2' })).toMatch(
      /^No node can take vm105 \(105\)\. On pve2: the guest has 50000 MiB of memory, \d+ MiB are free\.$/,
    );
    expect(await refused([vm(105, { cores: 16 })], { target_node: 'pve2' })).toContain('the guest has 16 CPUs, the node 8');
    // Proxmox gives a container all CPUs of its node where it may use more.
    expect((await move([ct({ cores: '16', rootfs: 'ceph:vm-201-disk-0,size=4G' })], { target_node: 'pve2' })).node).toBe('pve2');
    const stopped = vm(105, { memory: '50000', cores: 16 }, { running: false });
    expect((await move([stopped], { target_node: 'pve2' })).node).toBe('pve2');
  });

  it('an error about a guest with many disks names three reasons, and its details all', async () => {
    const disks = Object.fromEntries(['b', 'c', 'd', 'e', 'f'].map((letter, index) => [`scsi${index + 1}`, `/dev/sd${letter},size=1G`]));
    const error = await refusalOf(move([vm(105, disks)]));
    expect(error.message).toMatch(
      /^vm105 \(105\) cannot leave pve, because scsi1 .*, and scsi2 .*, and scsi3 .*, and for 2 further reasons\.$/,
    );
    expect(error.details?.blocked_by).toHaveLength(5);
  });

  it('has the storages and bridges, and space for the disks that are copied', async () => {
    const local = { scsi0: 'local-lvm:vm-105-disk-0,size=8G' };
    const storages = { pve: [thin, ceph, files], pve2: [ceph], pve3: [{ ...thin, storage: 'fast' }, ceph] };
    const volumes = [volume(105, 8)];
    expect(await refused([vm(105, local)], {}, { storages, volumes })).toBe(
      'No node can take vm105 (105). On pve2: storage local-lvm is missing or offline. On pve3: storage local-lvm is missing or offline.',
    );
    const mapped = await move([vm(105, local)], { storage: 'fast' }, { storages, volumes });
    expect(requestsOf(mapped)[0]?.params).toEqual({ target: 'pve3', online: true, 'with-local-disks': true, targetstorage: 'fast' });
    const big = vm(105, { scsi0: 'local-lvm:vm-105-disk-0,size=300G' });
    expect(await refused([big], { target_node: 'pve2' }, { volumes: [volume(105, 300)] })).toContain(
      'storage local-lvm has 200 GiB free, 300 GiB are needed',
    );
    const bridges = { pve: ['vmbr0', 'vmbr7'], pve2: ['vmbr0', 'vmbr7'], pve3: ['vmbr0'] };
    expect((await move([vm(105, { net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr7' })], {}, { bridges })).node).toBe('pve2');
  });

  it('has space for the disks of all guests of the plan together', async () => {
    const local = (vmid: number) => vm(vmid, { scsi0: `local-lvm:vm-${vmid}-disk-0,size=120G` });
    const nodes = [node('pve'), node('pve2'), node('pve3', 128)];
    const volumes = [volume(105, 120), volume(106, 120)];
    expect(await targets([local(105), local(106)], { nodes, volumes })).toEqual({ 105: 'pve3', 106: 'pve2' });
    expect(await targets([vm(105), vm(106)], { nodes })).toEqual({ 105: 'pve3', 106: 'pve3' });
  });

  it('is not chosen by figures that the token does not see, and a warning names them', async () => {
    const nodes = [node('pve'), node('pve2', 32, { hidden: true })];
    const plan = await move([vm(105)], {}, { nodes });
    expect(plan.warnings).toEqual(['whether pve2 has enough memory is not visible to this token (Sys.Audit on the node)']);
  });

  it('is shown with what is free before and after, and warned of when it is nearly full', async () => {
    const plan = await move([vm(105, { memory: '30000' })], { target_node: 'pve2' });
    expect(plan.warnings).toEqual([expect.stringMatching(/^pve2 has 9\d % of its memory in use afterwards$/)]);
    expect(plan.after?.['free memory of pve2 (MiB)']).toMatch(/^\d+ of 32768$/);
  });
});

describe('refusals', () => {
  it.each<[string, GuestSpec, string]>([
    [
      'a linked clone of local files',
      vm(105, { scsi0: 'files:9000/base-9000-disk-0.qcow2/105/vm-105-disk-0.qcow2,size=8G' }),
      'is a linked clone',
    ],
    ['a display with a clipboard', vm(105, { vga: 'std,clipboard=vnc' }), 'its display has clipboard=vnc'],
    ['a device of the node', vm(105, { hostpci0: '0000:01:00.0' }), 'it uses hostpci0 of pve'],
    ['a USB device of the node', vm(105, { usb0: 'host=1a6e:089a' }), 'it uses usb0 of pve'],
    ['a disk of the node', vm(105, { scsi1: '/dev/sdb' }), 'scsi1 is the device or file /dev/sdb of pve'],
    ['a volume of another guest', vm(105, { scsi1: 'local-lvm:vm-106-disk-0,size=1G' }), 'local-lvm:vm-106-disk-0 belongs to guest 106'],
    ['a resource in error', vm(105, {}, { ha: 'error' }), 'its HA resource is in state error'],
    ['a folder of the node', ct({ mp0: '/srv/data,mp=/data' }), 'mp0 is the folder /srv/data of pve'],
    ['a container with snapshots on thin storage', ct({}, { snapshots: ['one'] }), 'has snapshots (one) that cannot be copied'],
  ])('%s', async (_what, guest, why) => {
    const volumes = [{ storage: 'local-lvm', volid: 'local-lvm:vm-106-disk-0', content: 'images', vmid: 106 }];
    const base = 'files:9000/base-9000-disk-0.qcow2';
    const linked = { storage: 'files', volid: `${base}/105/vm-105-disk-0.qcow2`, content: 'images', vmid: 105 };
    expect(await refused([guest], {}, { volumes: [...volumes, linked] })).toContain(why);
  });

  it('a template with linked clones on its local disk', async () => {
    const base = { storage: 'files', volid: 'files:9000/base-9000-disk-0.qcow2', content: 'images', vmid: 9000 };
    const child = {
      storage: 'files',
      volid: `${base.volid}/105/vm-105-disk-0.qcow2`,
      content: 'images',
      vmid: 105,
      parent: '9000/base-9000-disk-0.qcow2',
    };
    const of = { ...template, config: { name: 'base', template: 1, scsi0: `${base.volid},size=3G` } };
    expect(await refused([of], {}, { volumes: [base, child] })).toContain('linked clones depend on files:9000/base-9000-disk-0.qcow2');
    expect((await move([of], { target_node: 'pve3' }, { volumes: [base] })).summary).toBe('Move base (9000) from pve to pve3 (offline)');
  });

  it('a resource of every node does not block a move', async () => {
    const free = vm(105, { usb0: 'spice', serial0: 'socket', ide2: 'ceph:vm-105-cloudinit,media=cdrom' });
    expect((await move([free])).node).toBe('pve3');
    expect((await move([ct({ mp0: '/srv/data,mp=/data,shared=1' })])).node).toBe('pve3');
  });
});

describe('warnings and undo', () => {
  it('HA brings a guest back to the nodes that a rule prefers, if its resource has failback', async () => {
    const rule = { rule: 'home', type: 'node-affinity', resources: 'vm:105,vm:106', nodes: 'pve:2,pve2:1,gone:3' };
    const warnings = async (ha: string, rules: object[], resource: object = {}, to = 'pve2') => {
      const answers = { '/cluster/ha/rules': rules, '/cluster/ha/resources': [{ sid: 'vm:105', ...resource }] };
      return (await move([vm(105, {}, { ha })], { target_node: to }, { answers })).warnings;
    };
    const back = 'HA prefers pve for it and moves it back, unless that node is in maintenance (node affinity rule, failback)';
    expect(await warnings('started', [rule])).toEqual([back]);
    expect(await warnings('started', [rule], { failback: 0 })).toEqual([]);
    expect(await warnings('started', [{ ...rule, disable: 1 }])).toEqual([]);
    expect(await warnings('started', [{ ...rule, nodes: 'pve,pve2' }])).toEqual([]);
    expect(await warnings('stopped', [rule])).toEqual([]);
  });

  it('disks on shared storage stay there, whatever storage is named', async () => {
    const plan = await move([vm(105)], { storage: 'local-lvm' });
    expect(requestsOf(plan)[0]?.params).toEqual({ target: 'pve3', online: true });
    expect(plan.warnings).toEqual(['storage local-lvm is not used: its disks are on shared storage and stay there']);
  });

  it('a CPU of type host may not run elsewhere', async () => {
    expect((await move([vm(105, { cpu: 'host' })])).warnings).toEqual([
      'its CPU type is host: it may crash on a node with another CPU model',
    ]);
    expect((await move([vm(105, { cpu: 'host' }, { running: false })])).warnings).toEqual([]);
  });

  it('the restart of a container applies what is pending, and destroys a volume that was removed by force', async () => {
    const pending = await move([ct({}, { pending: { memory: 1024 } })]);
    expect(pending).toMatchObject({ effect: 'disrupt', warnings: ['pending changes take effect: memory 512 → 1024'] });
    const doomed = ct({ mp0: 'local-lvm:vm-201-disk-1,mp=/data,size=4G' }, { pending: { mp0: 'force' } });
    const plan = await move([doomed]);
    expect(plan).toMatchObject({ effect: 'destroy', raisedBecause: expect.stringContaining('vm-201-disk-1') });
    expect(plan.summary).toContain('which destroys local-lvm:vm-201-disk-1');
    expect(plan.undo).toMatch(/; local-lvm:vm-201-disk-1 \(4 GiB\) cannot be restored$/);
    const both = await planOf('migrate_vm', { vmids: [201, 105] }, { ...cluster, guests: [doomed, vm(105)] });
    expect(both).toMatchObject({ effect: 'destroy', after: { 'dns1 (201)': expect.stringMatching(/, destroys mp0$/) } });
    expect(both.raisedBecause).toContain('vm-201-disk-1');
  });

  it('one undo call brings all back that go to the same place', async () => {
    const plan = await planOf('migrate_vm', { vmids: [105, 106] }, { ...cluster, guests: [vm(105), vm(106)] });
    expect(plan.undo).toBe('migrate_vm {"vmids": [105, 106], "target_node": "pve"}');
  });
});
