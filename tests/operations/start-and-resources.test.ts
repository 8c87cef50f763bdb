import { describe, expect, test } from 'vitest';
import { container, type GuestSpec, linesOf, planOf, refusalOf, requestsOf, template, useWorlds, webServer } from './world.ts';

useWorlds();
const stopped: GuestSpec = { ...webServer, running: false };
const withConfig = (guest: GuestSpec, config: Record<string, string | number>): GuestSpec => ({
  ...guest,
  config: { ...guest.config, ...config },
});
const start = (guest: GuestSpec, more: object = {}) => planOf('start_vm', { vmid: guest.vmid }, { guests: [guest], ...more });
const set = (guest: GuestSpec, args: object) => planOf('set_resources', { vmid: guest.vmid, ...args }, { guests: [guest] });

describe('start_vm', () => {
  test('one request, retried while the node still cleans up after a quick stop; pending changes are named', async () => {
    const plan = await start({ ...stopped, pending: { memory: 4096 } });
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/status/start']);
    expect(requestsOf(plan)[0]).toMatchObject({ retryOnLock: true, task: { type: 'qmstart' } });
    expect(plan.effect).toBe('change');
    expect(plan.warnings).toEqual([expect.stringContaining('memory 2048 → 4096')]);
  });
  test('a container starts with its own task', async () => {
    expect(requestsOf(await start({ ...container, running: false }))[0]?.task?.type).toBe('vzstart');
  });
  test('HA ends its task when the wish is queued, so the state is waited for', async () => {
    const plan = await start({ ...stopped, ha: 'stopped' });
    expect(requestsOf(plan)[0]?.task?.type).toBe('hastart');
    expect(plan.steps.at(-1)).toMatchObject({ kind: 'wait', until: { is: 'running' } });
  });
  test('what runs is left alone; a hibernated guest is woken', async () => {
    expect((await start(webServer)).existing).toMatchObject({ status: 'running', already: true });
    expect(linesOf(await start(withConfig(stopped, { lock: 'suspended' })))).toHaveLength(1);
  });
  test.each([
    ['a template', template, 'guest_state'],
    ['a paused guest', { ...webServer, qmpstatus: 'paused' }, 'guest_state'],
    ['a locked guest', withConfig(stopped, { lock: 'backup' }), 'locked'],
    ['more vCPUs than the node has', withConfig(stopped, { cores: 16 }), 'not_possible'],
    ['more vCPUs than the node has once pending changes apply', { ...stopped, pending: { sockets: 8 } }, 'not_possible'],
  ])('refuses %s', async (_what, guest, code) => {
    expect((await refusalOf(start(guest))).code).toBe(code);
  });
});

describe('set_resources', () => {
  test('sends only what differs, fenced by the digest, and says what has to wait', async () => {
    const plan = await set(webServer, { cores: 4, sockets: 1, memory: 2048 });
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/config']);
    expect(requestsOf(plan)[0]?.params).toEqual({ cores: 4, digest: 'a'.repeat(40) });
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
  test('compares with what is pending, not with what runs', async () => {
    const waiting = { ...webServer, pending: { cores: 4 } };
    expect((await set(waiting, { cores: 4 })).existing).toMatchObject({
      already: true,
      pending: { cores: expect.stringContaining('2 → 4') },
    });
    expect(requestsOf(await set(waiting, { cores: 2 }))[0]?.params).toMatchObject({ cores: 2 });
  });
  test('nothing waits in a stopped guest', async () => {
    expect((await set({ ...webServer, running: false }, { memory: 4096 })).warnings).toEqual([]);
  });
  test('a container changes at once, by PUT', async () => {
    const plan = await set(container, { cores: 2, memory: 1024 });
    expect(linesOf(plan)).toEqual(['PUT /nodes/pve/lxc/201/config']);
    expect(requestsOf(plan)[0]?.task).toBeUndefined();
    expect(plan.warnings).toEqual([]);
  });

  describe('interrupts when it takes memory away that is in use', () => {
    const busy = { ...webServer, usedMib: 1500 };
    test.each([
      ['a balloon below it', busy, { balloon: 1000 }, 'disrupt'],
      ['a balloon above it', busy, { balloon: 1800 }, 'change'],
      ['no balloon at all gives memory back', withConfig(busy, { balloon: 1800 }), { balloon: 0 }, 'change'],
      ['less memory waits for the next start', busy, { memory: 1024 }, 'change'],
      ['less memory with hot-plug does not', withConfig(busy, { numa: 1, hotplug: 'network,disk,memory' }), { memory: 1024 }, 'disrupt'],
      ['nobody knows what it uses', webServer, { balloon: 2000 }, 'disrupt'],
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
    ['memory below the balloon that is set', withConfig(webServer, { balloon: 1024 }), { memory: 512 }, 'not_possible'],
    ['more vCPUs than the node has', webServer, { cores: 9 }, 'not_possible'],
    ['a locked guest', withConfig(webServer, { lock: 'migrate' }), { cores: 3 }, 'locked'],
  ])('refuses %s', async (_what, guest, args, code) => {
    if (code === 'invalid') await expect(set(guest, args)).rejects.toThrow(/at least one/);
    else expect((await refusalOf(set(guest, args))).code).toBe(code);
  });
});
