import { describe, expect, it } from 'vitest';
import { overPerGuest, overTotals, refuseExcess, type Usage } from '../../src/core/limits.ts';
import type { ResourceDemand } from '../../src/core/plan.ts';
import type { LimitSettings } from '../../src/core/settings.ts';
import { usage } from '../../src/engine/quota.ts';
import type { GuestRow } from '../../src/proxmox/guests.ts';
import type { Reservation } from '../../src/store/reservations.ts';

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
  usage(guests, reserved, { ...limits, ...over }, new Set([1, 2]));

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

describe('what counts', () => {
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

it('a refusal names everything that is too much, and what would fit', () => {
  const wish = demand({ cpu: 64, memoryMib: 524_288, diskGib: 4000 });
  expect(() => perGuest(wish, limits)).toThrow(
    'Too much: cores 64 > 16 (PROXMOX_MAX_CPU); memory 524288 > 32768 MiB (PROXMOX_MAX_RAM_MB); disk 4000 > 500 GiB (PROXMOX_MAX_DISK_GB); fits: 16 cores, 32768 MiB, 500 GiB.',
  );
  const total = { ...limits, maxTotalCpu: 6, maxTotalDiskGib: 100 };
  const taken = { guests: 1, cpu: 4, memoryMib: 2048, diskGib: 19.202345848083496 };
  expect(() => refuseExcess([...overPerGuest(wish, total), ...overTotals(wish, taken, total)])).toThrow(
    'cores of all guests 4 + 64 > 6 (PROXMOX_MAX_TOTAL_CPU); disk of all guests 19.2 + 4000 > 100 GiB (PROXMOX_MAX_TOTAL_DISK_GB); fits: 2 cores, 32768 MiB, 80 GiB.',
  );
});
