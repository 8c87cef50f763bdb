import { describe, expect, test } from 'vitest';
import {
  container,
  linesOf,
  openWorld,
  planIn,
  planOf,
  refusalOf,
  requestsOf,
  template,
  useWorlds,
  type World,
  webServer,
} from '../../helpers/described/index.ts';

useWorlds();
const world: World = { guests: [webServer, container, template] };
const stop = (args: object, w: World = world) => planOf('stop_vm', args, w);

describe('the plan says which of the three methods it uses', () => {
  test('asks the guest to shut down and never cuts its power', async () => {
    const plan = await stop({ vmid: 105 });
    const [step] = requestsOf(plan);
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/status/shutdown']);
    expect(step?.params).toEqual({ timeout: 60 });
    expect(step?.task).toMatchObject({ type: 'qmshutdown', id: '105', node: 'pve' });
    expect(plan.effect).toBe('disrupt');
    expect(plan.summary).toBe('Shut down web1 (105) on pve');
    expect(step?.onFailure).toContain('stop_vm {"vmid": 105, "force": true}');
  });

  test('asks the guest first, then cuts its power', async () => {
    const plan = await stop({ vmid: 105, timeout: 90, force: true });
    expect(requestsOf(plan)[0]?.params).toEqual({ timeout: 90, forceStop: true });
    expect(plan.effect).toBe('destroy');
    expect(plan.summary).toContain('power off after 90 s');
  });

  test('cuts the power at once, ahead of a pending shutdown', async () => {
    const plan = await stop({ vmid: 105, force: true });
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/status/stop']);
    expect(requestsOf(plan)[0]?.params).toEqual({ 'overrule-shutdown': true });
    expect(plan.effect).toBe('destroy');
    expect(plan.raisedBecause).toContain('lost');
  });

  test('a node before 8.2 gets no overrule-shutdown', async () => {
    const plan = await stop({ vmid: 105, force: true }, { ...world, version: '8.1.4' });
    expect(requestsOf(plan)[0]?.params).toEqual({});
  });

  test('shuts a container down with its own task', async () => {
    const plan = await stop({ vmid: 201 });
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/lxc/201/status/shutdown']);
    expect(requestsOf(plan)[0]?.task?.type).toBe('vzshutdown');
  });
});

test('an approval is bound to the machine, and shows its pending changes', async () => {
  const plan = await stop({ vmid: 105 }, { guests: [{ ...webServer, pending: { cores: 4 }, pool: 'shop' }] });
  expect(plan.target).toEqual({
    type: 'qemu',
    vmid: 105,
    key: '11111111-1111-1111-1111-111111111111',
    generation: '22222222-2222-2222-2222-222222222222',
    name: 'web1',
    node: 'pve',
    protection: false,
    disks: ['local-lvm:vm-105-disk-0'],
  });
  expect(plan.facts).toEqual({ uptimeSeconds: 3600, snapshots: ['before-upgrade'], tags: ['prod', 'web'], pool: 'shop' });
  expect(plan.warnings).toEqual(['pending changes take effect with the next stop and start: cores 2 → 4']);
});

test('a container without a uuid has an identity, and another container has another', async () => {
  const key = async (rootfs: string) =>
    (await stop({ vmid: 201 }, { guests: [{ ...container, config: { ...container.config, rootfs } }] })).target?.key;
  const first = await key('local-lvm:vm-201-disk-0,size=8G');
  expect(await key('local-lvm:vm-201-disk-0,size=9G')).toBe(first);
  expect(await key('local-lvm:vm-201-disk-1,size=8G')).not.toBe(first);
});

test('a graceful stop under HA counts as destroying, because the HA manager cuts the power in the end', async () => {
  const plan = await stop({ vmid: 105 }, { guests: [{ ...webServer, ha: 'started' }] });
  expect(plan.effect).toBe('destroy');
  expect(plan.raisedBecause).toContain('HA');
  expect(requestsOf(plan)[0]?.task?.type).toBe('hastop');
  // Completes "wait until …" in every text.
  expect(plan.steps).toContainEqual(expect.objectContaining({ kind: 'wait', purpose: 'the HA manager has stopped it' }));
  expect(plan.steps.at(-1)).toMatchObject({ kind: 'wait', until: { is: 'stopped' } });
});

test('a stopped guest gets no request', async () => {
  const plan = await stop({ vmid: 105 }, { guests: [{ ...webServer, running: false }] });
  expect(plan.steps).toEqual([]);
  expect(plan.existing).toMatchObject({ vmid: 105, status: 'stopped', already: true });
});

test.each([
  ['an unknown guest', { vmid: 999 }, world, 'guest_not_found'],
  ['a template', { vmid: 9000 }, world, 'guest_state'],
  ['a locked guest', { vmid: 105 }, { guests: [{ ...webServer, config: { ...webServer.config, lock: 'backup' } }] }, 'locked'],
  ['a paused guest, gracefully', { vmid: 105 }, { guests: [{ ...webServer, qmpstatus: 'paused' }] }, 'guest_state'],
])('refuses %s', async (_what, args, w, code) => {
  expect((await refusalOf(stop(args, w))).code).toBe(code);
});

test('each plan reads the cluster again, because guests move', async () => {
  const { ctx, requests } = await openWorld(world);
  await planIn(ctx, 'stop_vm', { vmid: 105 });
  await planIn(ctx, 'stop_vm', { vmid: 105 });
  expect(requests().filter((url) => url.startsWith('/cluster/resources'))).toHaveLength(2);
});

test('an approval for several guests binds each of them and explains the gravest effect, whichever guest has it', async () => {
  const guests = [webServer, { ...container, ha: 'started' }, { ...webServer, vmid: 106, running: false }];
  const plan = await planOf('stop_vm', { vmids: [105, 201, 106, 105] }, { guests });
  expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/105/status/shutdown', 'POST /nodes/pve/lxc/201/status/shutdown']);
  expect(plan.targets?.map((t) => t.vmid)).toEqual([105, 201]);
  expect(new Set(plan.steps.map((s) => s.id)).size).toBe(plan.steps.length);
  expect(plan.effect).toBe('destroy');
  expect(plan.raisedBecause).toMatch(/^dns1 \(201\): HA/);
  expect(plan.choices).toEqual([expect.stringContaining('(106) is already stopped')]);
  expect((await refusalOf(planOf('stop_vm', {}, { guests }))).code).toBe('invalid_arguments');
});

test('a container whose disks an operator mounted can be powered off, and the refusal of a shutdown names the way to unmount them', async () => {
  const guests = [{ ...container, config: { ...container.config, lock: 'mounted' } }];
  expect(linesOf(await stop({ vmid: 201, force: true }, { guests }))).toEqual(['POST /nodes/pve/lxc/201/status/stop']);
  expect((await refusalOf(stop({ vmid: 201, force: true, timeout: 5 }, { guests }))).code).toBe('locked');
  const error = await refusalOf(stop({ vmid: 201 }, { guests }));
  expect(error).toMatchObject({ code: 'locked', hint: 'Ask the operator to run "pct unmount 201" on pve, then call again.' });
});

test('the plan warns that a halted guest may ignore the request, except with force', async () => {
  const guests = [{ ...webServer, qmpstatus: 'io-error' }];
  expect((await stop({ vmid: 105 }, { guests })).warnings).toEqual([
    'the guest is halted (io-error) and may ignore the request; force cuts its power',
  ]);
  expect((await stop({ vmid: 105, force: true }, { guests })).warnings).toEqual([]);
});

test('the undo of several promises no more than that of each', async () => {
  const doomed = { ...webServer, vmid: 107, pending: { sata1: 'force' as const } };
  doomed.config = { ...webServer.config, sata1: 'local-lvm:vm-107-disk-9,size=5G' };
  const undo = async (args: object) =>
    (await planOf('stop_vm', { vmids: [105, 107, 201], ...args }, { guests: [webServer, doomed, container] })).undo;
  const lost = 'local-lvm:vm-107-disk-9 (5 GiB) cannot be restored';
  expect(await undo({})).toBe(`start_vm {"vmids": [105, 107, 201]}; ${lost}`);
  expect(await undo({ force: true })).toBe(`start_vm {"vmids": [105, 107, 201]}; data that was not written to disk is lost; ${lost}`);
});

test('the error names each guest of a list that does not exist', async () => {
  const error = await refusalOf(planOf('stop_vm', { vmids: [105, 999, 201, 9998] }, { guests: [webServer, container] }));
  expect(error).toMatchObject({ code: 'guest_not_found', message: 'No guests with the VMIDs 999, 9998 are visible.' });
});

test('the error names each refused guest of a list with its code', async () => {
  const locked = { ...webServer, vmid: 107, config: { ...webServer.config, lock: 'backup' } };
  const guests = [webServer, container, template, locked];
  const error = await refusalOf(planOf('stop_vm', { vmids: [105, 9000, 999, 107, 201] }, { guests }));
  expect(error.message).toBe('3 of 5 guests cannot be stopped, and none was: 9000 (guest_state), 999 (guest_not_found), 107 (locked).');
  expect(error.code).toBe('guest_state');
  const one = async (vmid: number) => (await refusalOf(planOf('stop_vm', { vmid }, { guests }))).toJSON();
  const refused = await Promise.all([9000, 999, 107].map(async (vmid) => ({ vmid, ...(await one(vmid)) })));
  expect(error.details?.refused).toEqual(refused.map(({ vmid, code, message, hint }) => ({ vmid, code, message, hint })));
});

test('of several guests only those that run are stopped', async () => {
  const plan = await planOf('stop_vm', { vmids: [105, 106] }, { guests: [webServer, { ...webServer, vmid: 106, running: false }] });
  expect(plan.summary).toBe('Shut down 1 guest: web1 (105)');
});

test('a reason that holds for all guests of a list is written once', async () => {
  const guests = Array.from({ length: 40 }, (_, index) => ({ ...webServer, vmid: 300 + index }));
  const lost = 'the power is cut: what the guest has not written to disk is lost';
  const force = async (vmids: number[], ha?: string) =>
    planOf('stop_vm', { vmids, force: true }, { guests: [...guests, { ...container, ...(ha ? { ha } : {}) }] });
  expect((await force(guests.map(({ vmid }) => vmid))).raisedBecause).toBe(`all of them: ${lost}`);
  const mixed = await force([300, 201], 'started');
  expect(mixed.raisedBecause).toBe(`all of them: ${lost}`);
  expect(mixed.warnings).toEqual([expect.stringMatching(/^dns1 \(201\): HA manages the guest/)]);
});
