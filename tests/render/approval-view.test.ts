import { expect, test } from 'vitest';
import type { GuestIdentity } from '../../src/core/guest.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import { renderApproval, renderQuestion } from '../../src/render/approval-text.ts';
import { approvalView } from '../../src/render/approval-view.ts';
import { planView } from '../../src/render/result.ts';

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
const plan: Plan = {
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

const approval: ApprovalRecord = {
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
const several: ApprovalRecord = {
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

function leaves(value: unknown): string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(leaves) : [];
}

test.each([
  ['one guest', approval],
  ['several guests', several],
])('for %s, every fact that the console shows is in the text of terminal and client', (_, asked) => {
  const { status, steps, facts, guests, mustType, digest, ...rest } = approvalView(asked);
  const shown = [
    ...leaves(rest),
    ...leaves([...facts, ...guests.flatMap((one) => one.facts)].map(({ label, values }) => [label, values])),
    ...leaves(guests.map(({ facts: _facts, ...one }) => one)),
    ...steps.flatMap((step) => (step.kind === 'request' ? leaves([step.method, step.path, step.params, step.purpose]) : [step.purpose])),
    digest.slice(0, 16),
  ];
  const text = renderQuestion(asked);
  expect(shown.filter((fact) => !text.includes(fact))).toEqual([]);
  expect(text).toContain(`type: ${mustType}`);
});

test.each([
  ['one guest', approval],
  ['several guests', several],
])('for %s, the text of terminal and client says nothing that the console does not show', (_, asked) => {
  const shown = new Set([...wordsOf(leaves(approvalView(asked)).join(' ')), ...FRAME, approval.digest.slice(0, 16)]);
  expect(wordsOf(renderApproval(asked)).filter((word) => !shown.has(word))).toEqual([]);
});
const wordsOf = (text: string) => text.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
/** The labels, which the page has in its own words. */
const FRAME = wordsOf(
  `Effect Undo Guest Guests 2 VMID on node Warning Change none Chosen by default Cluster Exactly these requests will be
  sent then wait until check that Requested by from which calls itself at expires Owners who must approve approved Operation approval plan
  The agent's reason unverified`,
);

test('protection, lock and choices are in the text', () => {
  const text = renderApproval(approval);
  expect(text).toMatch(/^Protection: on$/m);
  expect(text).toMatch(/^Lock: lock-105$/m);
  expect(text).toMatch(/^Stays untouched: iso-one$/m);
  expect(text).toMatch(/^Chosen by default: storage: local-lvm \(the only one\)$/m);
  expect(text).toMatch(/^Copies the disks of: vault \(200\) on node node-200, protected$/m);
});

test('a guest of several shows its own protection, lock and facts, and not those of another', () => {
  const [first, second] = renderApproval(several)
    .split('\n')
    .filter((line) => /^ {2}.*VMID/.test(line));
  expect(first).toMatch(/web105, VMID 105, VM on node node-105; .*Protection: on; Lock: lock-105; Pool: pool-first/);
  expect(second).toMatch(/db, VMID 106, VM on node node-106; .*Lock: lock-106; Pool: pool-second/);
  expect(second).not.toContain('Protection');
});

test('a step that waits or checks reads as one sentence', () => {
  expect(renderApproval(approval)).toContain('  then wait until web105 is gone\n  then check that it stays away\n');
});

test('the requester and the way of the request are told in words, and the cluster where several are served is named beside the text to type', () => {
  const local = { ...approval, principal: 'local:1000', owner: 'anna', channel: 'cli' } as const;
  const { client: _client, ...plain } = local;
  expect(renderApproval(plain)).toContain('\nRequested by local user 1000 (of anna) from a command in a terminal at 2026');
  expect(renderApproval(approval)).toContain(
    '\nRequested by token:ci (of anna) from an MCP client over HTTP, which calls itself “some client 1.0”, unverified, at 2026',
  );
  const one = renderQuestion(approval);
  expect(one).toContain('\n\nTo approve, type: web105 105\n');
  expect(renderQuestion({ ...approval, cluster: 'work@1a2b3c4d5e6f7788' })).toContain('\n\nTo approve on work, type: web105 105\n');
});

test('a secret is never in the text', () => {
  expect(renderApproval(approval)).not.toContain('hmac');
});

test('a plan for an agent names protected and locked guests and the guests whose disks it copies', () => {
  expect(planView(several.plan)).toMatchObject({
    protected: ['web105 (105)'],
    locked: ['web105 (105): lock-105', 'db (106): lock-106'],
    copies_disks_of: ['vault (200) on node node-200, protected'],
  });
});
