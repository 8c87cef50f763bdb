import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../src/core/plan/run.ts';
import { type GuestSpec, openWorld, planOf, requestsOf, useWorlds } from '../helpers/described/index.ts';
import { changeOperation } from '../helpers/operations.ts';
import { withEngine } from '../helpers/with-engine.ts';

useWorlds();
const guest: GuestSpec = {
  vmid: 601,
  running: true,
  config: { name: 'app', scsi0: 'local-lvm:vm-601-disk-0,size=8G', smbios1: 'uuid=00000000-0000-4000-8000-000000000601' },
};
const stop = (args: object, spec: GuestSpec = guest) => planOf('stop_vm', { vmid: 601, ...args }, { guests: [spec] });

test('Telmate/proxmox-api-go#247, community.proxmox#96, bpg/terraform-provider-proxmox#2597: a start ends with WARNINGS: 1', async () => {
  const plan = await planOf('start_vm', { vmid: 601 }, { guests: [{ ...guest, running: false }] });
  const { ctx } = await openWorld({ guests: [guest] });
  const operation = changeOperation('start_vm');
  const step = { id: 'start', state: 'done', at: '', exit: 'WARNINGS: 1', log: ['WARN: no efidisk configured', 'TASK WARNINGS: 1'] };
  const answer = await operation.report(ctx.api, { plan, steps: [step] } as unknown as RunRecord);
  expect(answer).toMatchObject({ status: 'running', warnings: ['WARN: no efidisk configured'] });
});

describe('community.general#1906, #6257: a forced stop waits behind a shutdown that is pending', () => {
  test('the forced stop goes ahead of it', async () => {
    const [step] = requestsOf(await stop({ force: true }));
    expect(step).toMatchObject({ path: '/nodes/pve/qemu/601/status/stop', params: { 'overrule-shutdown': true } });
  });
  test('with a timeout the guest is asked first, for no longer than that', async () => {
    const [step] = requestsOf(await stop({ force: true, timeout: 30 }));
    expect(step).toMatchObject({ path: '/nodes/pve/qemu/601/status/shutdown', params: { timeout: 30, forceStop: true } });
  });
});

describe('Telmate/terraform-provider-proxmox#506: the guest ignores the request to shut down', () => {
  const engine = withEngine();
  test('it still runs, and the forced way is offered', async () => {
    const world = engine();
    const exitstatus = 'VM quit/powerdown failed';
    world.cluster.simulator.faults.add({ match: { path: '/100/status/shutdown' }, action: 'fail-task', exitstatus });
    const approval_id = await world.asks('stop_vm', { vmid: 100 });
    const error = await world.refused(world.call('approve', { approval_id }));
    expect(error.code).toBe('task_failed');
    expect(error.message).toContain(exitstatus);
    expect(error.hint).toContain('still runs');
    expect(error.hint).toContain('stop_vm {"vmid": 100, "force": true}');
    expect(await world.done('get_vm', { vmid: 100 })).toMatchObject({ status: 'running' });
  });
});

describe('a disk whose removal by force waits for the next start', () => {
  const doomed: GuestSpec = {
    ...guest,
    running: false,
    config: { ...guest.config, sata1: 'local-lvm:vm-601-disk-1,size=500G' },
    pending: { sata1: 'force' },
  };
  test('start_vm destroys it, which a human has to see', async () => {
    const plan = await planOf('start_vm', { vmid: 601 }, { guests: [doomed] });
    expect(plan.effect).toBe('destroy');
    expect(plan.raisedBecause).toContain('destroys local-lvm:vm-601-disk-1 (500 GiB)');
  });
  test('stop_vm destroys it too: Proxmox applies what is pending when a guest stops', async () => {
    const plan = await stop({}, { ...doomed, running: true });
    expect(plan.effect).toBe('destroy');
    expect(plan.summary).toBe('Shut down app (601) on pve, which destroys local-lvm:vm-601-disk-1 (500 GiB)');
  });
});
