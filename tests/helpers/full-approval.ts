import type { GuestIdentity } from '../../src/core/guest.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import { approvalView } from '../../src/render/approval-view.ts';

const guest = (vmid: number, rest: Partial<GuestIdentity> = {}): GuestIdentity => ({
  type: 'qemu',
  vmid,
  key: `key-${vmid}`,
  name: `web${vmid}`,
  node: `node-${vmid}`,
  protection: true,
  lock: `lock-${vmid}`,
  disks: [`local-lvm:vm-${vmid}-disk-0`],
  ...rest,
});

const known = (mark: string) => ({
  uptimeSeconds: 93_784,
  snapshots: [`snap-${mark}-1`, `snap-${mark}-2`],
  lastBackup: '2026-11-01T08:00:00.000Z',
  ha: `ha-${mark}`,
  tags: [`tag-${mark}`],
  pool: `pool-${mark}`,
  disks: [`disk-${mark}`],
  untouched: [`iso-${mark}`],
});

/** Every fact that a plan can hold. */
export const plan: Plan = {
  operation: 'delete_vm',
  summary: 'Delete web105 (105)',
  effect: 'destroy',
  raisedBecause: 'it loses data',
  target: guest(105),
  sources: [{ vmid: 200, template: false, identity: guest(200, { name: 'vault' }) }],
  steps: [
    {
      kind: 'request',
      id: 'delete',
      method: 'DELETE',
      path: '/nodes/pve/qemu/105',
      params: { purge: true, note: { $secret: 'hmac' }, list: ['a1', 'b2'] },
      purpose: 'destroy web105',
    },
    {
      kind: 'wait',
      id: 'gone',
      until: { kind: 'guest', type: 'qemu', vmid: 105, node: 'pve', is: 'absent' },
      timeoutSeconds: 1,
      purpose: 'web105 is gone',
    },
    { kind: 'check', id: 'still', that: { kind: 'guest', type: 'qemu', vmid: 105, node: 'pve', is: 'absent' }, purpose: 'it stays away' },
  ],
  expected: [],
  choices: ['storage: local-lvm (the only one)'],
  warnings: ['a first warning', 'a second warning'],
  before: { status: 'stopped', volumes: ['v1', 'v2'], same: 1 },
  after: { status: 'gone', added: 'x9', same: 1 },
  undo: 'impossible',
  facts: { ...known('one'), formerNames: ['billing'] },
};

export const approval: ApprovalRecord = {
  id: 'apr_1',
  operation: 'delete_vm',
  args: {},
  cluster: 'pve.example',
  principal: 'token:ci',
  owner: 'anna',
  channel: 'http',
  client: 'some client 1.0',
  plan,
  digest: 'f'.repeat(64),
  effect: 'destroy',
  method: 'human',
  needed: 2,
  agreedBy: ['berta'],
  status: 'pending',
  reason: 'the agent says so',
  createdAt: '2026-11-23T10:00:00.000Z',
  expiresAt: '2026-11-23T10:15:00.000Z',
};

const two = [guest(105), guest(106, { protection: false, name: 'db' })];
export const several: ApprovalRecord = {
  ...approval,
  plan: {
    ...plan,
    target: two[0] as GuestIdentity,
    targets: two,
    facts: {
      formerNames: ['billing'],
      guests: [
        { vmid: 105, ...known('first') },
        { vmid: 106, ...known('second') },
      ],
    },
  },
};

/** The texts and numbers in a value. */
export function leaves(value: unknown): string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(leaves) : [];
}

/** Each fact of the view that a human is to see, and the text to type. */
export function factsOf(asked: ApprovalRecord): { mustType: string | undefined; shown: string[] } {
  const { status, steps, facts, guests, mustType, digest, ...rest } = approvalView(asked);
  const shown = [
    ...leaves(rest),
    ...leaves([...facts, ...guests.flatMap((one) => one.facts)].map(({ label, values }) => [label, values])),
    ...leaves(guests.map(({ facts: _facts, ...one }) => one)),
    ...steps.flatMap((step) => (step.kind === 'request' ? leaves([step.method, step.path, step.params, step.purpose]) : [step.purpose])),
    digest.slice(0, 16),
  ];
  return { mustType, shown };
}
