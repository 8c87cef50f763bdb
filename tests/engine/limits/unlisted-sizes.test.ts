import { describe, expect, it } from 'vitest';
import type { LimitSettings } from '../../../src/core/settings/settings.ts';
import { quotasOf, takeInventory, takeInventoryWithoutStore, used } from '../../../src/engine/limits/quotas.ts';
import { parts } from '../../helpers/parts.ts';

const SCOPE: LimitSettings = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } };
const CPU = { ...SCOPE, maxTotalCpu: 100 };
const row = (vmid: number, more: object = {}) => ({ vmid, type: 'qemu', node: 'pve', name: `web${vmid}`, status: 'stopped', ...more });
const pending = (config: Record<string, string | number>) => Object.entries(config).map(([key, value]) => ({ key, value }));

/** A cluster whose list has guest 101 with its sizes, and 102 and 103 without: their node is down. */
function cluster(limits: LimitSettings, store: object = {}) {
  const ports = parts(store, { limits });
  Object.assign(ports.answers, {
    '/cluster/resources?type=vm': [
      row(101, { maxcpu: 2, maxmem: 2 ** 31 }),
      row(102, { node: 'down', status: 'unknown' }),
      row(103, { node: 'down', status: 'unknown', template: 1 }),
    ],
    '/nodes': [
      { node: 'pve', status: 'online' },
      { node: 'down', status: 'offline' },
    ],
    '/nodes/down/qemu/102/pending': pending({ cores: 4, sockets: 2, memory: 1024, scsi0: 'nas:vm-102-disk-0,size=10G' }),
    '/nodes/down/qemu/103/pending': pending({ cores: 1, memory: 1024, template: 1 }),
  });
  const counted = { limits, api: ports.proxmox };
  const total = async () => (await used(await takeInventoryWithoutStore(counted), counted)).all;
  return { ports, counted, total, configsRead: () => ports.asked.filter((path) => path.endsWith('/pending')) };
}

describe('a guest that the list of the cluster shows without its sizes', () => {
  it.each<[string, LimitSettings]>([
    ['vCPUs', CPU],
    ['memory', { ...SCOPE, maxTotalRamMib: 100_000 }],
  ])('counts with those of its configuration where the total of %s is limited; a template is not looked at', async (_what, limits) => {
    const { total, configsRead } = cluster(limits);
    expect(await total()).toMatchObject({ guests: 2, cpu: 10, memoryMib: 2048 + 1024 });
    expect(configsRead()).toEqual(['/nodes/down/qemu/102/pending']);
  });

  it('is not looked at where no total is limited', async () => {
    const { total, configsRead } = cluster(SCOPE);
    expect(await total()).toMatchObject({ guests: 2, cpu: 2 });
    expect(configsRead()).toEqual([]);
  });

  it('counts as a guest where its configuration cannot be read', async () => {
    const { ports, total } = cluster(CPU);
    delete ports.answers['/nodes/down/qemu/102/pending'];
    expect(await total()).toMatchObject({ guests: 2, cpu: 2 });
  });

  it('and turns out to be a template does not count', async () => {
    const { ports, total } = cluster(CPU);
    ports.answers['/nodes/down/qemu/102/pending'] = pending({ cores: 4, template: 1 });
    expect(await total()).toMatchObject({ guests: 1, cpu: 2 });
  });
});

it('the guests created through this server are looked up for the scope that counts them, and for no other', async () => {
  const store = { reservations: { all: async () => [] }, guests: { madeVmids: async () => [102] } };
  const guestsIn = async (limits: LimitSettings) => {
    const { ports, counted } = cluster(limits, store);
    return (await used(await takeInventory(ports), counted)).all.guests;
  };
  expect(await guestsIn({ ...SCOPE, scope: { kind: 'created' } })).toBe(1);
  expect(await guestsIn(SCOPE)).toBe(2);
});

describe('the use of the total of disks', () => {
  const limits = { ...SCOPE, maxTotalDiskGib: 100 };
  const shown = async (onStorages: object, onGuests: object) => {
    const { ports, counted } = cluster(limits);
    Object.assign(ports.answers, {
      '/cluster/resources?type=storage': [{ storage: 'nas', node: 'pve', shared: 1, status: 'available' }],
      '/nodes/pve/storage/nas/content': [{ volid: 'nas:vm-101-disk-0', vmid: 101, content: 'images', size: 30 * 2 ** 30 }],
      '/access/permissions?path=/storage': { '/storage': onStorages },
      '/access/permissions?path=/vms': { '/vms': onGuests },
    });
    const { quotas } = await quotasOf(await takeInventoryWithoutStore(counted), counted);
    return quotas.filter(({ size, unseenDisks }) => size === 'diskGib' || unseenDisks);
  };
  const known = { size: 'diskGib', variable: 'PROXMOX_MAX_TOTAL_DISK_GB', limit: 100, used: 40, reserved: 0, left: 60 };

  it('is all there is for a token that sees every disk', async () => {
    expect(await shown({ 'Datastore.Audit': 1 }, { 'VM.Config.Disk': 1 })).toEqual([known]);
  });

  it('says that more may be there for any other token, and says it of disks alone', async () => {
    expect(await shown({ 'Datastore.Audit': 1 }, {})).toEqual([{ ...known, unseenDisks: true }]);
    expect(await shown({}, { 'VM.Config.Disk': 1 })).toEqual([{ ...known, unseenDisks: true }]);
  });
});
