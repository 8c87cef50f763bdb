import { describe, expect, it } from 'vitest';
import type { GuestIdentity } from '../../../src/core/guest.ts';
import type { Plan } from '../../../src/core/plan/plan.ts';
import { differences, worsened } from '../../../src/engine/approvals/stale.ts';
import { planDigest } from '../../../src/engine/records.ts';
import { guest, planOf, requestStep } from '../../helpers/parts.ts';

const plan = (binds?: Plan['binds']): Plan => ({
  operation: 'restore_backup',
  summary: 'restore',
  effect: 'change',
  steps: [],
  expected: [],
  choices: [],
  warnings: [],
  undo: 'delete_vm',
  ...(binds ? { binds } : {}),
});
const backup = (size: number) => ({ 'backup local:backup/vzdump-qemu-105.vma': { size, ctime: 1_790_000_000 } });

describe('the facts that a plan is bound to beside guests', () => {
  it('are part of its digest', () => {
    const digest = (one: Plan) => planDigest(one, {}, 'cluster');
    expect(digest(plan(backup(1)))).toBe(digest(plan(backup(1))));
    expect(digest(plan(backup(1)))).not.toBe(digest(plan(backup(2))));
    expect(digest(plan(backup(1)))).not.toBe(digest(plan()));
  });

  it('are named where they changed, went away or joined', () => {
    const name = Object.keys(backup(1))[0];
    expect(differences(plan(backup(1)), plan(backup(2)))).toEqual([`${name} was replaced or changed`]);
    expect(differences(plan(backup(1)), plan())).toEqual([`${name} is no longer part of it`]);
    expect(differences(plan(), plan(backup(1)))).toEqual([`${name} is also part of it`]);
  });
});

describe('the guest of a plan', () => {
  const was = guest(105, { generation: 'g1', disks: ['lvm:vm-105-disk-0'], snapshots: ['daily'] });
  const between = (before: object, now: object) => differences(planOf({ target: guest(105, before) }), planOf({ target: guest(105, now) }));

  it.each<[Partial<GuestIdentity>, string]>([
    [{ key: 'other' }, 'the guest behind this VMID is another one (its identity differs)'],
    [{ generation: 'g2' }, 'the guest was rolled back or restored'],
    [{ name: 'db' }, 'the name was web105, it is db'],
    [{ name: '' }, 'the name was web105, it is empty'],
    [{ node: 'pve2' }, 'the node was pve, it is pve2'],
    [{ protection: true }, 'protection was false, it is true'],
    [{ lock: 'backup' }, 'the lock was none, it is backup'],
    [{ snapshots: ['daily', 'weekly'] }, 'the snapshots were ["daily"], they are ["daily","weekly"]'],
    [{ disks: [] }, 'the disks were ["lvm:vm-105-disk-0"], they are []'],
  ])('changed by %j is described by that alone', (now, says) => {
    expect(between(was, { ...was, ...now })).toEqual([says]);
  });

  it('changed in several ways is described by each', () => {
    expect(between({ lock: 'backup' }, { name: 'db' })).toEqual(['the name was web105, it is db', 'the lock was backup, it is none']);
  });

  it('of several is named, also when nothing remains to be done about it', () => {
    const before = planOf({ targets: [guest(106), guest(107)] });
    const now = planOf({ targets: [guest(106, { name: 'db' })] });
    expect(differences(before, now)).toEqual(['106: the name was web106, it is db', '107: nothing remains to be done']);
  });

  it('that is in the requested state already leaves nothing to be done', () => {
    const { target: _target, ...rest } = planOf();
    expect(differences(planOf(), { ...rest, existing: { status: 'stopped' } })).toEqual(['the requested state already holds']);
  });

  it('that looks the same has another configuration, or needs other requests', () => {
    const sends = (...ids: string[]) => planOf({ steps: ids.map((id) => requestStep(id)) });
    expect(differences(sends('stop'), sends('stop'))).toEqual(['the configuration of the guest changed']);
    expect(differences(sends('stop'), sends('shutdown', 'stop'))).toEqual([
      'the requests were POST /nodes/pve/qemu/105/status/stop, they are POST /nodes/pve/qemu/105/status/shutdown, POST /nodes/pve/qemu/105/status/stop',
    ]);
    expect(differences(sends('stop'), sends())).toEqual(['the requests were POST /nodes/pve/qemu/105/status/stop, they are none']);
  });
});

describe('the guests whose disks are copied', () => {
  const copies = (...sources: NonNullable<Plan['sources']>) => planOf({ sources });
  const source = (vmid: number, more: object = {}) => ({ vmid, template: false, ...more });

  it.each<[string, Plan, Plan, string]>([
    ['one less', copies(source(104), source(9000)), copies(source(9000)), 'the disks of guest 104 are no longer copied'],
    ['one more', copies(source(104)), copies(source(104), source(9000)), 'the disks of guest 9000 are also copied'],
    ['the first one', planOf(), copies(source(104)), 'the disks of guest 104 are also copied'],
    ['a new template', copies(source(104)), copies(source(104, { template: true })), 'guest 104 became a template'],
    ['a template no more', copies(source(104, { template: true })), copies(source(104)), 'guest 104 is no longer a template'],
    [
      'another name',
      copies(source(104, { identity: guest(104) })),
      copies(source(104, { identity: guest(104, { name: 'db' }) })),
      'source 104: the name was web104, it is db',
    ],
    ['another sight', copies(source(104)), copies(source(104, { identity: guest(104) })), 'the visible state of guest 104 changed'],
  ])('%s is named, and nothing else', (_what, was, is, says) => {
    expect(differences(was, is)).toEqual([says]);
  });

  it('that are the same are not named', () => {
    const same = copies(source(104, { identity: guest(104) }), source(105));
    expect(differences(same, same)).toEqual(['the configuration of the guest changed']);
  });
});

describe('the places that policy or scope looked at', () => {
  const placed = (...facts: NonNullable<Plan['placed']>) => planOf({ placed: facts });
  it('are named by guest and fact, each that changed', () => {
    const was = placed({ vmid: 104, pool: 'agents', tags: ['dev'] }, { vmid: 105, pool: 'agents', tags: ['dev'] });
    const is = placed({ vmid: 104, pool: null, tags: ['dev', 'gold'] }, { vmid: 105, pool: 'agents', tags: ['dev'] });
    expect(differences(was, is)).toEqual([
      'the pool of guest 104 was agents, now none',
      'the tags of guest 104 were ["dev"], now ["dev","gold"]',
    ]);
  });
});

describe('what is worse than the human was shown', () => {
  it('is a graver effect, with its reason, never a milder one', () => {
    const of = (effect: Plan['effect'], more: object = {}) => planOf({ effect, ...more });
    expect(worsened(of('disrupt'), of('destroy'))).toEqual(['its effect was disrupt, it is destroy']);
    expect(worsened(of('disrupt'), of('destroy', { raisedBecause: 'it is the last copy' }))).toEqual([
      'its effect was disrupt, it is destroy (it is the last copy)',
    ]);
    expect(worsened(of('destroy'), of('disrupt'))).toEqual([]);
    expect(worsened(of('destroy'), of('destroy'))).toEqual([]);
  });

  it('is a backup that is older or gone, never the same or a newer one', () => {
    const of = (lastBackup?: string | null) => planOf({ facts: lastBackup === undefined ? {} : { lastBackup } });
    const [monday, tuesday] = ['2026-01-05T02:00:00Z', '2026-01-06T02:00:00Z'];
    expect(worsened(of(tuesday), of(monday))).toEqual([`the newest backup was from ${tuesday}, now it is from ${monday}`]);
    for (const gone of [of(), of(null)])
      expect(worsened(of(tuesday), gone)).toEqual([`the newest backup was from ${tuesday}, now none is visible`]);
    for (const [was, is] of [
      [of(monday), of(monday)],
      [of(monday), of(tuesday)],
      [of(), of()],
      [of(), of(monday)],
      [of(null), of()],
    ] as const)
      expect(worsened(was, is)).toEqual([]);
  });
});
