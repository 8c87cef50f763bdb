import { expect, test } from 'vitest';
import { renderApproval, renderQuestion } from '../../src/render/approval-text.ts';
import { approvalView } from '../../src/render/approval-view.ts';
import { planView } from '../../src/render/result.ts';
import { approval, factsOf, leaves, several } from '../helpers/full-approval.ts';

test.each([
  ['one guest', approval],
  ['several guests', several],
])('for %s, every fact that the console shows is in the text of terminal and client', (_, asked) => {
  const { mustType, shown } = factsOf(asked);
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

test('the requester and the transport are named in words, and one of several clusters beside the text to type', () => {
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

test('a text of several lines is shown line by line, and what is left out of a long list is counted', () => {
  const after = { data: '127.0.0.1 localhost # old\n192.0.2.6 mirror\n', users: Array.from({ length: 103 }, (_, index) => `user${index}`) };
  const { changes } = approvalView({ ...approval, plan: { ...approval.plan, before: {}, after } });
  const [data, users] = changes;
  expect(data?.after).toEqual(['127.0.0.1 localhost # old', '192.0.2.6 mirror']);
  expect(users?.after.slice(-2)).toEqual(['user99', '… (3 more)']);
});

test('a parameter is shown as far as the fields of a firewall rule go', () => {
  const [first] = approval.plan.steps;
  if (first?.kind !== 'request') throw new Error('the approval has no request');
  const source = Array.from({ length: 64 }, (_, index) => `10.0.0.${index}`)
    .join(',')
    .slice(0, 512);
  const { steps } = approvalView({ ...approval, plan: { ...approval.plan, steps: [{ ...first, params: { source } }] } });
  expect(steps).toMatchObject([{ params: [['source', source]] }]);
});
