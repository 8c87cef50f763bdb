import { describe, expect, it } from 'vitest';
import type { ResourceDemand } from '../../../src/core/plan/plan.ts';
import type { ProxmoxReader } from '../../../src/core/proxmox.ts';
import { overPerGuest, overTotals, refuseExcess, type Usage } from '../../../src/core/settings/limits.ts';
import type { LimitSettings } from '../../../src/core/settings/settings.ts';
import { checkInside, diskSums, usage } from '../../../src/engine/limits/quota.ts';
import type { GuestRow } from '../../../src/proxmox/guest/guests.ts';
import type { Reservation } from '../../../src/store/schema.ts';

const limits: LimitSettings = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 3, scope: { kind: 'visible' } };
const perGuest = (d: ResourceDemand, l: LimitSettings) => refuseExcess(overPerGuest(d, l));
const totals = (d: ResourceDemand, u: Usage, l: LimitSettings) => refuseExcess(overTotals(d, u, l));
const none = { cpu: 0, memoryMib: 0, diskGib: 0 };
const small = { cpu: 2, memoryMib: 2048, diskGib: 32 };
const demand = (
  after: Partial<ResourceDemand['after']>,
  before: Partial<ResourceDemand['before']> = none,
  newGuests: 0 | 1 = 1,
): ResourceDemand => ({
  newGuests,
  vmid: 500,
  after: { ...small, ...after },
  before: { ...none, ...before },
});
const guest = (vmid: number, over: Partial<GuestRow> = {}): GuestRow =>
  ({
    vmid,
    name: `g${vmid}`,
    type: 'qemu',
    node: 'pve',
    status: 'running',
    template: false,
    tags: [],
    cpus: 2,
    memoryMib: 2048,
    diskGib: 32,
    ...over,
  }) as GuestRow;
const reservation = (vmid: number, over: Partial<Reservation> = {}): Reservation => ({
  seq: vmid,
  id: `r${vmid}`,
  cluster: 'c',
  name: '',
  vmid,
  node: 'pve',
  type: 'qemu',
  newGuest: true,
  ...small,
  space: {},
  state: 'held',
  worker: 'w',
  leaseUntil: '',
  changedAt: '',
  ...over,
});
const used = (guests: GuestRow[], reserved: Reservation[] = [], over: Partial<LimitSettings> = {}) =>
  usage({ guests, reserved, created: new Set([1, 2]) }, { ...limits, ...over });

describe('limits per guest', () => {
  it.each([
    ['PROXMOX_MAX_CPU', { cpu: 17 }, '17', '16'],
    ['PROXMOX_MAX_RAM_MB', { memoryMib: 32_769 }, '32769', '32768'],
    ['PROXMOX_MAX_DISK_GB', { diskGib: 501 }, '501', '500'],
  ])('names %s, the request and the limit', (variable, after, requested, limit) => {
    expect(() => perGuest(demand(after), limits)).toThrow(
      expect.objectContaining({ code: 'quota_exceeded', message: expect.stringContaining(variable) }),
    );
    expect(() => perGuest(demand(after), limits)).toThrow(new RegExp(`${requested} .*${limit}`));
  });
  it('lets a guest be as big as the limit', () => {
    expect(() => perGuest(demand({ cpu: 16, memoryMib: 32_768, diskGib: 500 }), limits)).not.toThrow();
  });
  it('checks only what rises: a guest that is too big already may shrink and change elsewhere', () => {
    expect(() => perGuest(demand({ cpu: 20 }, { cpu: 24 }, 0), limits)).not.toThrow();
    expect(() => perGuest(demand({ cpu: 25 }, { cpu: 24 }, 0), limits)).toThrow('PROXMOX_MAX_CPU');
  });
});

describe('the count', () => {
  it('counts guests and earlier reservations once per VMID, and no templates', () => {
    expect(used([guest(1), guest(2, { template: true })], [reservation(1), reservation(3)])).toEqual({
      guests: 2,
      cpu: 4,
      memoryMib: 4096,
      diskGib: 64,
    });
  });
  it('takes the sizes of a fresh guest, listed without them, from its reservation', () => {
    const { cpus: _c, memoryMib: _m, diskGib: _d, ...bare } = guest(7);
    expect(used([bare as GuestRow], [reservation(7, { cpu: 8 })])).toMatchObject({ guests: 1, cpu: 8, memoryMib: 2048 });
  });
  it('takes the sizes of a guest that grows from its reservation, and leaves those alone that do not count', () => {
    const grows = reservation(1, { newGuest: false, cpu: 6, memoryMib: 2048, diskGib: 32 });
    expect(used([guest(1)], [grows])).toMatchObject({ guests: 1, cpu: 6, memoryMib: 2048 });
    expect(used([guest(1, { template: true })], [grows])).toMatchObject({ guests: 0, cpu: 0 });
  });
  it.each([
    ['pool', { kind: 'pool', pool: 'agents' }, [guest(1, { pool: 'agents' }), guest(9)]],
    ['pool with those nested in it', { kind: 'pool', pool: 'agents' }, [guest(1, { pool: 'agents/ci' }), guest(9, { pool: 'agents2' })]],
    ['tag', { kind: 'tag', tag: 'agent' }, [guest(1, { tags: ['agent'] }), guest(9)]],
    ['tag in other letters', { kind: 'tag', tag: 'Agent' }, [guest(1, { tags: ['agent'] }), guest(9)]],
    ['created here', { kind: 'created' }, [guest(1), guest(9)]],
  ] as const)('can be narrowed to a %s', (_what, scope, guests) => {
    expect(used([...guests], [], { scope })).toMatchObject({ guests: 1 });
  });
});

describe('the count of sizes', () => {
  it('takes the greater of what is listed and what is reserved, for each size', () => {
    const smaller = reservation(1, { newGuest: false, cpu: 1, memoryMib: 4096, diskGib: 1 });
    expect(used([guest(1)], [smaller])).toEqual({ guests: 1, cpu: 2, memoryMib: 4096, diskGib: 32 });
    const larger = reservation(1, { newGuest: false, cpu: 1, memoryMib: 1, diskGib: 99 });
    expect(used([guest(1)], [larger])).toEqual({ guests: 1, cpu: 2, memoryMib: 2048, diskGib: 99 });
  });
  it('counts a guest without sizes as one', () => {
    const { cpus: _c, memoryMib: _m, diskGib: _d, ...bare } = guest(7);
    expect(used([bare as GuestRow])).toEqual({ guests: 1, cpu: 0, memoryMib: 0, diskGib: 0 });
  });
  it('counts all volumes of a guest where they were looked up', () => {
    const sums = new Map([[1, 500]]);
    expect(usage({ guests: [guest(1), guest(2)], reserved: [], created: new Set() }, limits, sums)).toMatchObject({ diskGib: 532 });
  });
  it('takes a guest when one of its tags is that of the scope', () => {
    expect(used([guest(9, { tags: ['a', 'agent'] })], [], { scope: { kind: 'tag', tag: 'agent' } })).toMatchObject({ guests: 1 });
  });
});

describe('a new guest outside the scope of the limits', () => {
  const made = { vmid: 500, tags: ['web'], pool: 'dev' };
  const check = (scope: LimitSettings['scope']) => () => checkInside(made, { ...limits, scope });
  it.each<[string, LimitSettings['scope']]>([
    ['everything visible counts', { kind: 'visible' }],
    ['it counts because it is made here', { kind: 'created' }],
    ['its pool is the one', { kind: 'pool', pool: 'dev' }],
    ['its tag is the one', { kind: 'tag', tag: 'Web' }],
  ])('is not a problem: %s', (_case, scope) => expect(check(scope)).not.toThrow());
  it.each<[LimitSettings['scope'], string, string]>([
    [{ kind: 'pool', pool: 'agents' }, 'pool agents', 'pool: agents'],
    [{ kind: 'tag', tag: 'agent' }, 'tag agent', 'tags: ["agent"]'],
  ])('is refused with what brings it inside: %o', (scope, place, hint) => {
    expect(check(scope)).toThrow(
      expect.objectContaining({ code: 'quota_exceeded', message: expect.stringContaining(place), hint: `Call again with ${hint}.` }),
    );
  });
});

describe('sums of disks', () => {
  const GIB = 2 ** 30;
  const away = new Error('away');
  function reader(storages: object[], lists: Record<string, object[] | Error>): ProxmoxReader & { asked: string[] } {
    const asked: string[] = [];
    const get = async (path: string) => {
      asked.push(path);
      if (path === '/cluster/resources') return storages;
      const list = lists[path];
      if (list === undefined || list instanceof Error) throw list ?? away;
      return list;
    };
    return { asked, get } as unknown as ProxmoxReader & { asked: string[] };
  }
  const at = (node: string, storage: string, over: object = {}) => ({ node, storage, status: 'available', ...over });

  it('add up disks of VMs and volumes of containers, and nothing else', async () => {
    const lists = {
      '/nodes/pve/storage/local/content': [
        { vmid: 1, content: 'images', size: 2 * GIB },
        { vmid: '1', content: 'images', size: 3 * GIB },
        { vmid: 2, content: 'rootdir', size: GIB },
        { vmid: 1, content: 'backup', size: 9 * GIB },
        { content: 'images', size: 9 * GIB },
        { vmid: 3, content: 'images' },
      ],
    };
    expect([...(await diskSums(reader([at('pve', 'local')], lists)))]).toEqual([
      [1, 5],
      [2, 1],
      [3, 0],
    ]);
  });
  it('read a shared storage once, and any other one for each node', async () => {
    const one = [{ vmid: 1, content: 'images', size: GIB }];
    const lists = {
      '/nodes/b/storage/nas%2F1/content': one,
      '/nodes/a/storage/local/content': one,
      '/nodes/b/storage/local/content': one,
    };
    const shared = { shared: 1 };
    const api = reader([at('a', 'nas/1', shared), at('b', 'nas/1', shared), at('a', 'local'), at('b', 'local')], lists);
    expect([...(await diskSums(api))]).toEqual([[1, 3]]);
    expect(api.asked).toHaveLength(4);
  });
  it('leave out a storage that is away, and fail where one that is present cannot be read', async () => {
    expect([...(await diskSums(reader([at('pve', 'nas', { status: 'unknown' })], {})))]).toEqual([]);
    await expect(diskSums(reader([at('pve', 'nas')], {}))).rejects.toBe(away);
  });
});

describe('limits of the scope', () => {
  it('refuses the guest that would be one too many', () => {
    expect(() => totals(demand({}), used([guest(1), guest(2)]), limits)).not.toThrow();
    expect(() => totals(demand({}), used([guest(1), guest(2), guest(3)]), limits)).toThrow(/guests 3 \+ 1 > 3 \(PROXMOX_MAX_VMS\)/);
  });
  it('never refuses a change of an existing guest for the number of guests', () => {
    expect(() => totals(demand({ cpu: 4 }, small, 0), used([guest(1), guest(2), guest(3), guest(4)]), limits)).not.toThrow();
  });
  it('limits totals where the operator set them', () => {
    const total = { ...limits, maxTotalCpu: 5 };
    expect(() => totals(demand({ cpu: 2 }), used([guest(1)]), total)).not.toThrow();
    expect(() => totals(demand({ cpu: 4 }), used([guest(1)]), total)).toThrow(/PROXMOX_MAX_TOTAL_CPU/);
  });
});

it('a refusal names every limit that is exceeded, and what would fit', () => {
  const wish = demand({ cpu: 64, memoryMib: 524_288, diskGib: 4000 });
  expect(() => perGuest(wish, limits)).toThrow(
    'Too much: cores 64 > 16 (PROXMOX_MAX_CPU); memory 524288 > 32768 MiB (PROXMOX_MAX_RAM_MB); disk 4000 > 500 GiB (PROXMOX_MAX_DISK_GB). Fits: 16 cores, 32768 MiB, 500 GiB.',
  );
  const total = { ...limits, maxTotalCpu: 6, maxTotalDiskGib: 100 };
  const taken = { guests: 1, cpu: 4, memoryMib: 2048, diskGib: 19.202345848083496 };
  expect(() => refuseExcess([...overPerGuest(wish, total), ...overTotals(wish, taken, total)])).toThrow(
    'cores of all guests 4 + 64 > 6 (PROXMOX_MAX_TOTAL_CPU); disk of all guests 19.2 + 4000 > 100 GiB (PROXMOX_MAX_TOTAL_DISK_GB). Fits: 2 cores, 32768 MiB, 80 GiB.',
  );
});
