import { describe, expect, test } from 'vitest';
import { type GuestSpec, planOf, useWorlds } from '../helpers/described/index.ts';

useWorlds();
const vm = (config: Record<string, string | number>, more: Partial<GuestSpec> = {}): GuestSpec => ({
  vmid: 300,
  running: true,
  config: { name: 'app', cores: 2, memory: '4096', scsi0: 'local-lvm:vm-300-disk-0,size=8G', ...config },
  ...more,
});
const set = (guest: GuestSpec, args: object) => planOf('set_resources', { vmid: guest.vmid, ...args }, { guests: [guest] });

describe('fabriziosalmi/proxmox-vm-autoscale#37: memory is pending unless hotplug has memory, and numa is on', () => {
  test.each([
    ['the default', vm({}), true],
    ['memory without numa', vm({ hotplug: 'network,disk,memory' }), true],
    ['memory with numa', vm({ hotplug: 'network,disk,memory', numa: 1 }), false],
    ['hotplug: 1, which means the default', vm({ hotplug: '1', numa: 1 }), true],
    ['hotplug: 0', vm({ hotplug: '0', numa: 1 }), true],
  ])('%s', async (_what, guest, waits) => {
    const { warnings } = await set(guest, { memory: 8192 });
    expect(warnings.some((w) => w.startsWith('memory: pending'))).toBe(waits);
  });
  test('hotplug: 1 takes nothing from the running guest', async () => {
    const plan = await set(vm({ hotplug: '1', numa: 1 }, { usedMib: 3000 }), { memory: 2048 });
    expect(plan.effect).toBe('change');
  });
});

describe('bpg/terraform-provider-proxmox#634, Telmate/terraform-provider-proxmox#129: the balloon device of a running guest', () => {
  test.each([
    ['off', vm({}), 0],
    ['on', vm({ balloon: 0 }), 1024],
  ])('switching it %s waits for a stop and start', async (_what, guest, balloon) => {
    expect((await set(guest, { balloon })).warnings.join()).toContain('balloon: pending');
  });
  test('another size does not', async () => {
    expect((await set(vm({ balloon: 1024 }), { balloon: 2048 })).warnings).toEqual([]);
  });
});

test('a container that had no core limit is not throttled by the undo', async () => {
  const free: GuestSpec = { vmid: 310, type: 'lxc', running: true, config: { hostname: 'dns', rootfs: 'local-lvm:vm-310-disk-0,size=4G' } };
  const { undo } = await set(free, { cores: 4 });
  expect(undo).not.toContain('"cores"');
  expect(undo).toContain('pct set 310 --delete cores');
});

describe('a model that thinks in GiB', () => {
  test('16 MiB for a production guest needs an approval, running or stopped', async () => {
    for (const guest of [vm({}), vm({}, { running: false })]) {
      const plan = await set(guest, { memory: 16 });
      expect(plan.effect).toBe('disrupt');
      expect(plan.warnings.join()).toContain('16 GiB would be 16384');
    }
  });
});
