import { describe, expect, test } from 'vitest';
import {
  container,
  type GuestSpec,
  linesOf,
  openWorld,
  planIn,
  planOf,
  refusalOf,
  requestsOf,
  useWorlds,
  webServer,
} from '../../helpers/described/index.ts';

useWorlds();
const stopped: GuestSpec = { ...webServer, running: false };
const withConfig = (guest: GuestSpec, config: Record<string, string | number>): GuestSpec => ({
  ...guest,
  config: { ...guest.config, ...config },
});
const set = (guest: GuestSpec, args: object) => planOf('set_resources', { vmid: guest.vmid, ...args }, { guests: [guest] });

describe('set_resources', () => {
  test('sends only the values that differ, with the digest, and says which stay pending', async () => {
    const { ctx } = await openWorld({ guests: [webServer] });
    const plan = await planIn(ctx, 'set_resources', { vmid: 105, cores: 4, sockets: 1, memory: 2048 });
    const { digest } = await ctx.api.get<{ digest: string }>('/nodes/pve/qemu/105/config');
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/config']);
    expect(requestsOf(plan)[0]?.params).toEqual({ cores: 4, digest });
    expect(plan.effect).toBe('change');
    expect(plan.before).toEqual({ cores: 2 });
    expect(plan.after).toEqual({ cores: 4 });
    expect(plan.warnings).toEqual([expect.stringMatching(/^cores: pending/)]);
    expect(plan.demand).toEqual({
      newGuests: 0,
      vmid: 105,
      before: { cpu: 2, memoryMib: 2048, diskGib: 32 },
      after: { cpu: 4, memoryMib: 2048, diskGib: 32 },
    });
    expect(plan.undo).toBe('set_resources {"vmid":105,"cores":2}');
  });
  test('compares with pending values, not with running ones', async () => {
    const waiting = { ...webServer, pending: { cores: 4 } };
    expect((await set(waiting, { cores: 4 })).existing).toMatchObject({
      already: true,
      pending: { cores: expect.stringContaining('2 → 4') },
    });
    const back = await set(waiting, { cores: 2 });
    expect(requestsOf(back)[0]?.params).toMatchObject({ cores: 2 });
    // It runs with 2, so nothing is pending then.
    expect(back.warnings).toEqual([]);
  });
  test('a stopped guest has no pending values afterwards', async () => {
    expect((await set({ ...webServer, running: false }, { memory: 4096 })).warnings).toEqual([]);
  });
  test('a container changes at once, by PUT', async () => {
    const plan = await set(container, { cores: 2, memory: 1024 });
    expect(linesOf(plan)).toEqual(['PUT /nodes/pve/lxc/201/config']);
    expect(requestsOf(plan)[0]?.task).toBeUndefined();
    expect(plan.warnings).toEqual([]);
  });

  describe('counts as an interruption when it takes memory that is in use', () => {
    const busy = { ...webServer, usedMib: 1500 };
    test.each([
      ['a balloon below it', busy, { balloon: 1000 }, 'disrupt'],
      ['a balloon above it', busy, { balloon: 1800 }, 'change'],
      ['no balloon at all gives memory back', withConfig(busy, { balloon: 1800 }), { balloon: 0 }, 'change'],
      ['less memory waits for the next start', busy, { memory: 1024 }, 'change'],
      ['less memory with hot-plug does not', withConfig(busy, { numa: 1, hotplug: 'network,disk,memory' }), { memory: 1024 }, 'disrupt'],
      ['its usage is unknown', { ...webServer, usedMib: 0 }, { balloon: 2000 }, 'disrupt'],
      ['a container at once', { ...container, usedMib: 400 }, { memory: 256 }, 'disrupt'],
      ['a stopped container never', { ...container, running: false }, { memory: 256 }, 'change'],
    ])('%s', async (_what, guest, args, effect) => {
      const plan = await set(guest, args);
      expect(plan.effect).toBe(effect);
      expect(plan.raisedBecause !== undefined).toBe(effect === 'disrupt');
    });
  });

  test.each([
    ['nothing to change', webServer, {}, 'invalid'],
    ['sockets of a container', container, { sockets: 2 }, 'not_possible'],
    ['a balloon above the memory', webServer, { balloon: 4096 }, 'not_possible'],
    ['a hibernated guest', withConfig(stopped, { lock: 'suspended' }), { cores: 3 }, 'locked'],
    ['memory below the balloon that is set', withConfig(webServer, { balloon: 1024 }), { memory: 512 }, 'not_possible'],
    ['more vCPUs than the node has', webServer, { cores: 9 }, 'not_possible'],
    ['a locked guest', withConfig(webServer, { lock: 'migrate' }), { cores: 3 }, 'locked'],
  ])('refuses %s', async (_what, guest, args, code) => {
    if (code === 'invalid') await expect(set(guest, args)).rejects.toThrow(/at least one/);
    else expect((await refusalOf(set(guest, args))).code).toBe(code);
  });

  test('a hibernated guest is woken, never unlocked', async () => {
    const { message, hint } = await refusalOf(set(withConfig(stopped, { lock: 'suspended' }), { cores: 3 }));
    expect(message).toContain('hibernated');
    expect(hint).toBe('Wake it with start_vm {"vmid": 105}, then call again.');
  });

  describe('names the values that take effect at once', () => {
    const numa = (hotplug: string) => withConfig(webServer, { numa: 1, hotplug, memory: '4096' });
    test.each([
      ['hotplug 1 is network, disk and usb', numa('1'), { memory: 8192 }, 'memory: pending'],
      ['hotplug with memory', numa('network,memory'), { memory: 8192 }, ''],
      ['memory without numa', withConfig(webServer, { hotplug: 'memory' }), { memory: 8192 }, 'memory: pending'],
      ['switching the balloon off', webServer, { balloon: 0 }, 'balloon: pending'],
      ['switching the balloon on', withConfig(webServer, { balloon: 0 }), { balloon: 1024 }, 'balloon: pending'],
      ['another size of the balloon', withConfig(webServer, { balloon: 1024 }), { balloon: 1500 }, ''],
    ])('%s', async (_what, guest, args, pending) => {
      expect((await set(guest, args)).warnings.join()).toContain(pending);
      if (pending === '') expect((await set(guest, args)).warnings).toEqual([]);
    });
    test('hotplug 1 takes no memory from a running guest', async () => {
      expect((await set({ ...numa('1'), usedMib: 3000 }, { memory: 2048 })).effect).toBe('change');
    });
  });

  describe('needs an approval to lower memory far', () => {
    const vm = (memory: string, more: Partial<GuestSpec> = {}) => ({ ...withConfig(stopped, { memory }), ...more });
    const ct = (memory: number) => ({ ...withConfig(container, { memory }), running: false });
    test.each([
      ['16 MiB of 2048', vm('2048'), 16, 'disrupt'],
      ['of a running VM, where it waits for the next start', vm('2048', { running: true }), 64, 'disrupt'],
      ['a quarter exactly', vm('4096'), 1024, 'change'],
      ['less than a quarter', vm('4096'), 1023, 'disrupt'],
      ['below 256 MiB', vm('300'), 255, 'disrupt'],
      ['to 256 MiB', vm('300'), 256, 'change'],
      ['a VM that had 256 MiB already', vm('256'), 200, 'change'],
      ['a container below 256 MiB', ct(512), 200, 'change'],
      ['a container below a quarter', ct(512), 127, 'disrupt'],
      ['raising', vm('128'), 200, 'change'],
      ['two steps of which each is small, while it runs', vm('4096', { running: true, pending: { memory: 1100 } }), 600, 'disrupt'],
      ['raising what is pending', vm('4096', { running: true, pending: { memory: 300 } }), 600, 'change'],
    ])('%s', async (_what, guest, memory, effect) => {
      const plan = await set(guest, { memory });
      expect(plan.effect).toBe(effect);
      const warned = plan.warnings.some((w) => w.startsWith('memory falls from'));
      expect(warned).toBe(effect === 'disrupt');
    });
    test('a caller that seems to mean GiB reads the number in MiB', async () => {
      expect((await set(vm('65536'), { memory: 64 })).raisedBecause).toContain('64 GiB would be 65536');
    });
  });

  describe('leaves a running guest 10 % above what it uses', () => {
    const dns = { ...container, usedMib: 86.8 };
    const db = { ...withConfig(webServer, { memory: '4096' }), usedMib: 1163.1 };
    test.each([
      ['a container of 86.8 MiB at 87', withConfig(dns, { memory: 128 }), { memory: 87 }, 'disrupt'],
      ['at 95', withConfig(dns, { memory: 128 }), { memory: 95 }, 'disrupt'],
      ['at 96', withConfig(dns, { memory: 128 }), { memory: 96 }, 'change'],
      ['a balloon of 1164 above 1163.1', db, { balloon: 1164 }, 'disrupt'],
      ['a balloon of 1280', db, { balloon: 1280 }, 'change'],
      ['more memory than now, however much is used', { ...container, usedMib: 511 }, { memory: 520 }, 'change'],
      ['a larger balloon than now, however much is used', withConfig(db, { balloon: 1000 }), { balloon: 1100 }, 'change'],
    ])('%s', async (_what, guest, args, effect) => {
      expect((await set(guest, args)).effect).toBe(effect);
    });
  });

  test('a container without a core limit: the operator removes the limit again', async () => {
    const { cores: _cores, ...config } = container.config ?? {};
    const free: GuestSpec = { ...container, config };
    expect((await set(free, { cores: 4 })).undo).toBe('the operator removes the core limit: pct set 201 --delete cores');
    expect((await set(free, { cores: 4, memory: 1024 })).undo).toBe(
      'set_resources {"vmid":201,"memory":512}; the operator removes the core limit: pct set 201 --delete cores',
    );
  });

  test.each(['paused', 'io-error', 'internal-error'])('a guest that is %s is not called running', async (qmpstatus) => {
    expect((await set({ ...webServer, qmpstatus }, { cores: 2 })).existing).toMatchObject({ status: qmpstatus });
  });

  test('an answer lists what was requested and nothing else', async () => {
    const { existing } = await set({ ...webServer, pending: { cores: 4 } }, { memory: 2048 });
    expect(existing).toMatchObject({ applied: { memory: '2048' } });
    expect(existing).not.toHaveProperty('pending');
  });
});
