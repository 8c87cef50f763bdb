import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/core/plan/plan.ts';
import {
  contextOf,
  type GuestSpec,
  openWorld,
  planIn,
  readIn,
  refusalOf,
  requestsOf,
  useWorlds,
  type World,
} from '../helpers/described/index.ts';
import type { Case, Change } from './case.ts';
import { CONTAINERS } from './containers.ts';
import { DISKS } from './disks.ts';
import { HARDWARE } from './hardware.ts';
import { ODD } from './odd.ts';
import { STATES } from './states.ts';

useWorlds();

const CORPUS = [...DISKS, ...HARDWARE, ...STATES, ...CONTAINERS, ...ODD].map((one) => ({ cpu: 1, memory: 512, ...one }));
const IMAGES = 'images,rootdir';
const STORAGES = [
  { storage: 'local', type: 'dir', content: 'iso,vztmpl,backup,import,snippets' },
  { storage: 'local-lvm', type: 'lvmthin', content: IMAGES },
  { storage: 'zfs', type: 'zfspool', content: IMAGES },
  { storage: 'nfs', type: 'nfs', content: `${IMAGES},backup`, shared: 1 },
  { storage: 'ceph', type: 'rbd', content: IMAGES, shared: 1 },
  { storage: 'btrfs', type: 'btrfs', content: IMAGES },
  { storage: 'iscsi', type: 'iscsi', content: 'images', shared: 1 },
  { storage: 'lun-lvm', type: 'lvm', content: 'images', shared: 1 },
].map((s) => ({ availGib: 20_000, totalGib: 40_000, ...s }));

const worldOf = (guests: GuestSpec[]): World => ({
  guests,
  storages: { pve: STORAGES },
  nodes: [{ node: 'pve', maxcpu: 64, maxmem: 2 ** 39 }],
});

/** Slot, volume, owner, kind and size of a disk, as the cases write them. */
function lineOf(disk: { slot: string; volume: string; owner?: string; media: string; size_gb?: number }): string {
  const owner = disk.owner ?? (/^(local:(iso|import)\/|iscsi:)/.test(disk.volume) ? 'none' : 'own');
  return `${disk.slot} ${disk.volume} ${owner} ${disk.media} ${disk.size_gb ?? '-'}`;
}

function nameOf({ spec }: Case): string {
  return String(spec.config?.name ?? spec.config?.hostname ?? '');
}

/** The volumes of the lines that fit, by what the case says about them. */
const volumesOf = ({ disks }: Case, fits: (owner: string, kind: string) => boolean) =>
  disks
    .map((line) => line.split(' ') as [string, string, string, string, string])
    .flatMap(([, volume, owner, kind]) => (fits(owner, kind) ? [volume] : []));

test('the corpus has at least 60 guests, each with a VMID of its own', () => {
  expect(CORPUS.length).toBeGreaterThanOrEqual(60);
  expect(new Set(CORPUS.map((c) => c.spec.vmid)).size).toBe(CORPUS.length);
});

test('list_vms lists all of them, with name, sizes and tags', async () => {
  const { ctx } = await openWorld(worldOf(CORPUS.map((c) => c.spec)));
  const { vms, total } = await readIn(ctx, 'list_vms', { limit: 300 });
  expect(total).toBe(CORPUS.length);
  for (const one of CORPUS) {
    const row = vms.find((v: { vmid: number }) => v.vmid === one.spec.vmid);
    expect(row, one.what).toMatchObject({ name: nameOf(one), type: one.spec.type === 'lxc' ? 'container' : 'vm', node: 'pve' });
  }
});

describe.each(CORPUS)('$spec.vmid $what', (one) => {
  const { spec, but = {} } = one;
  const { vmid } = spec;
  const open = () => contextOf(worldOf([spec]), { reservedVmid: 5000 });

  test('get_vm shows every disk with owner, kind and size, and the sizes', async () => {
    const vm = await readIn(await open(), 'get_vm', { vmid, fields: ['description', 'raw_config', 'snapshots'] });
    expect(vm.disks.map(lineOf)).toEqual(one.disks);
    expect(vm).toMatchObject({ vmid, name: nameOf(one), ...one.shows });
    expect(vm.config.memory_mb).toBe(one.memory);
    expect(vm.config.cores === undefined ? null : vm.config.cores * (vm.config.sockets ?? 1)).toBe(one.cpu);
    expect(JSON.stringify(vm)).not.toMatch(/NaN|undefined|\[object|hunter2|null/);
  });

  const CALLS: Record<Change, () => Promise<Plan>> = {
    start: async () => planIn(await open(), 'start_vm', { vmid }),
    stop: async () => planIn(await open(), 'stop_vm', { vmid }),
    set: async () => planIn(await open(), 'set_resources', { vmid, memory: one.memory + 512 }),
    delete: async () => planIn(await open(), 'delete_vm', { vmid }),
    clone: async () => planIn(await open(), 'clone_template', { source_vmid: vmid, name: 'copy', full_clone: true }),
  };

  test.each(Object.keys(CALLS) as Change[])('%s is planned or refused as the case states', async (change) => {
    const outcome =
      but[change] ?? (change === 'start' && spec.running ? 'existing' : change === 'stop' && !spec.running ? 'existing' : 'plan');
    if (outcome !== 'plan' && outcome !== 'existing') {
      const error = await refusalOf(CALLS[change]());
      expect(error.code, error.message).toBe(outcome);
      expect(`${error.message} ${error.hint}`).not.toContain(spec.config?.lock === 'suspended' ? 'unlock' : 'undefined');
      return;
    }
    const plan = await CALLS[change]();
    expect(plan.existing !== undefined, JSON.stringify(plan.existing)).toBe(outcome === 'existing');
    expect(JSON.stringify(plan)).not.toMatch(/NaN|undefined|\[object|hunter2/);
    if (outcome === 'existing') return expect(requestsOf(plan)).toEqual([]);
    if (change === 'set')
      expect(plan.demand?.before).toMatchObject({ memoryMib: one.memory, ...(one.cpu === null ? {} : { cpu: one.cpu }) });
    if (change === 'set') expect(plan.demand?.before.diskGib).toBeCloseTo(one.sum, 2);
    if (change === 'clone') expect(plan.demand?.after.diskGib).toBeCloseTo(one.copied ?? one.sum, 2);
    if (change !== 'delete') return;
    const freed = [...volumesOf(one, (owner, kind) => owner === 'own' && kind !== 'cdrom'), ...(one.alsoFreed ?? [])];
    expect([...((plan.before?.volumes ?? []) as string[])].sort()).toEqual(freed.sort());
    expect(plan.before?.untouched ?? []).toEqual(volumesOf(one, (owner, kind) => owner !== 'own' || kind === 'cdrom'));
  });
});
