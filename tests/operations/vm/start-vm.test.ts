import { describe, expect, test } from 'vitest';
import {
  container,
  type GuestSpec,
  linesOf,
  planOf,
  refusalOf,
  requestsOf,
  template,
  useWorlds,
  webServer,
} from '../../helpers/described/index.ts';

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
  test('several guests are one plan, in which each has its own steps; those that run are left out and named', async () => {
    const guests = [stopped, { ...webServer, vmid: 106 }, { ...container, running: false }];
    const plan = await planOf('start_vm', { vmids: [105, 106, 201] }, { guests });
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/status/start', 'POST /nodes/pve/lxc/201/status/start']);
    expect(requestsOf(plan).map(({ lane }) => lane)).toEqual([105, 201]);
    expect(plan.summary).toMatch(/^Start 2 guests: web1 \(105\), /);
    expect(plan.choices).toEqual(['web1 (106) already runs']);
    expect(plan.undo).toBe('stop_vm {"vmids": [105, 201]}');
  });
  describe('with a disk whose removal by force is pending', () => {
    const dooms: GuestSpec = {
      ...withConfig(stopped, { sata1: 'local-lvm:vm-105-disk-1,size=500G' }),
      pending: { sata1: 'force', memory: 4096 },
    };
    const disk = 'local-lvm:vm-105-disk-1 (500 GiB)';
    test('the start destroys it, so it needs an approval that names the disk', async () => {
      const plan = await start(dooms);
      expect(plan.effect).toBe('destroy');
      expect(plan.raisedBecause).toContain(`destroys ${disk}`);
      expect(plan.summary).toBe(`Start web1 (105) on pve, which destroys ${disk}`);
      expect(plan.before).toEqual({ status: 'stopped', sata1: disk });
      expect(plan.after).toEqual({ status: 'running', sata1: 'destroyed' });
      expect(plan.undo).toContain(`${disk} cannot be restored`);
    });
    test('an approval for one disk covers no other', async () => {
      const expected = async (spec: GuestSpec) => (await start(spec)).expected;
      const more = withConfig(dooms, { sata2: 'local-lvm:vm-105-disk-2,size=1G' });
      expect(await expected({ ...more, pending: { ...dooms.pending, sata2: 'force' } })).not.toEqual(await expected(more));
    });
    test('a change of the resources of the stopped guest applies it as well', async () => {
      const plan = await set(dooms, { cores: 4 });
      expect(plan.effect).toBe('destroy');
      expect(plan.raisedBecause).toContain(disk);
      expect(plan.warnings.join()).toContain(
        'other pending changes are applied too: memory 2048 → 4096, sata1 local-lvm:vm-105-disk-1,size=500G → removed',
      );
      expect((await set({ ...dooms, running: true }, { cores: 4 })).effect).toBe('change');
    });
    test('a stop applies it as well', async () => {
      const guest = { ...dooms, running: true };
      const plan = await planOf('stop_vm', { vmid: 105 }, { guests: [guest] });
      expect(plan.effect).toBe('destroy');
      expect(plan.raisedBecause).toBe(`the stop applies a pending removal by force, which destroys ${disk}`);
      expect(plan.before).toEqual({ status: 'running', sata1: disk });
      const several = await planOf('stop_vm', { vmids: [105, 201] }, { guests: [guest, container] });
      expect(several.effect).toBe('destroy');
      expect(several.raisedBecause).toContain(disk);
      const forced = await planOf('stop_vm', { vmid: 105, force: true }, { guests: [guest] });
      expect(forced.raisedBecause).toMatch(/vm-105-disk-1.*; the power is cut/);
    });
    test.each([
      ['reboot_vm', {}, { running: true }],
      ['update_vm', { onboot: true }, {}],
      ['set_resources', { cores: 4 }, {}],
      ['resume_vm', {}, { config: { ...dooms.config, lock: 'suspended' } }],
    ])('%s applies it as well: summary and undo name the disk', async (operation, args, state) => {
      const guest = { ...dooms, ...state };
      const plan = await planOf(operation, { vmid: 105, ...args }, { guests: [guest] });
      expect(plan.effect).toBe('destroy');
      expect(plan.summary.endsWith(`, which destroys ${disk}`)).toBe(true);
      expect(plan.undo.endsWith(`; ${disk} cannot be restored`)).toBe(true);
    });
    test('a reboot of several names it in the undo of all', async () => {
      const guests = [{ ...dooms, running: true }, container];
      const plan = await planOf('reboot_vm', { vmids: [105, 201] }, { guests });
      expect(plan.undo).toBe(`impossible: a reboot has happened; ${disk} cannot be restored`);
    });
    test.each([
      ['a disk that is only detached', 'local-lvm:vm-105-disk-1,size=500G', null],
      ['a disk of the host', '/dev/sdb,size=500G', 'force'],
      ['a volume of another guest', 'local-lvm:vm-106-disk-1,size=500G', 'force'],
      ['an ISO', 'local:iso/x.iso,media=cdrom', 'force'],
    ] as const)('%s is not destroyed', async (_what, sata1, pending) => {
      expect((await start({ ...withConfig(stopped, { sata1 }), pending: { sata1: pending } })).effect).toBe('change');
    });
    test('a detached disk whose removal is pending is', async () => {
      const unused: GuestSpec = { ...withConfig(stopped, { unused0: 'local-lvm:vm-105-disk-9' }), pending: { unused0: null } };
      expect((await start(unused)).effect).toBe('destroy');
    });
  });
  test('a container starts with its own task', async () => {
    expect(requestsOf(await start({ ...container, running: false }))[0]?.task?.type).toBe('vzstart');
  });
  test('a container whose disks an operator has mounted starts, as in Proxmox', async () => {
    expect(linesOf(await start(withConfig({ ...container, running: false }, { lock: 'mounted' })))).toEqual([
      'POST /nodes/pve/lxc/201/status/start',
    ]);
  });
  test('HA ends its task when the request is queued, so the state is waited for', async () => {
    const plan = await start({ ...stopped, ha: 'stopped' });
    expect(requestsOf(plan)[0]?.task?.type).toBe('hastart');
    // Completes "wait until …" in every text.
    expect(plan.steps.at(-1)).toMatchObject({ kind: 'wait', purpose: 'the HA manager has started it', until: { is: 'running' } });
  });
  test('a running guest gets no request, and a hibernated one is started', async () => {
    expect((await start(webServer)).existing).toMatchObject({ status: 'running', already: true });
    expect(linesOf(await start(withConfig(stopped, { lock: 'suspended' })))).toHaveLength(1);
  });
  test('a stopped VM that Proxmox runs halted for its backup is started, and proves it by running', async () => {
    const backedUp: GuestSpec = { ...withConfig(webServer, { lock: 'backup' }), qmpstatus: 'prelaunch' };
    const plan = await start(backedUp);
    expect(plan.existing).toBeUndefined();
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/status/start']);
    expect(requestsOf(plan)[0]?.proof).toMatchObject({ kind: 'reads', has: { qmpstatus: 'running' } });
    expect(plan.warnings).toEqual(['a backup of the stopped guest runs: the guest keeps running after it']);
    // Its HA manager takes the halted VM for a started one.
    const managed = await refusalOf(start({ ...backedUp, ha: 'stopped' }));
    expect(managed).toMatchObject({ code: 'locked', hint: expect.stringMatching(/^Wait for the task that holds the lock/) });
  });
  test.each([
    ['a template', template, 'guest_state'],
    ['a guest that was started halted', { ...webServer, qmpstatus: 'prelaunch' }, 'guest_state'],
    ['a paused guest', { ...webServer, qmpstatus: 'paused' }, 'guest_state'],
    ['a guest whose disk failed', { ...webServer, qmpstatus: 'io-error' }, 'guest_state'],
    ['a guest whose kernel panicked', { ...webServer, qmpstatus: 'guest-panicked' }, 'guest_state'],
    ['a guest in standby', { ...webServer, qmpstatus: 'suspended' }, 'guest_state'],
    ['a locked guest', withConfig(stopped, { lock: 'backup' }), 'locked'],
    ['more vCPUs than the node has', withConfig(stopped, { cores: 16 }), 'not_possible'],
    ['more vCPUs than the node has once pending changes apply', { ...stopped, pending: { sockets: 8 } }, 'not_possible'],
  ])('refuses %s', async (_what, guest, code) => {
    expect((await refusalOf(start(guest))).code).toBe(code);
  });
});
