import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkPolicyOperations } from '../../src/config/policy.ts';
import { FORMER_NAMES } from '../../src/operations/former-names.ts';
import { operations } from '../../src/operations/index.ts';
import { connect, ERAS, face } from '../helpers/answering-engine.ts';
import { openWorld } from '../helpers/world.ts';

// A tool that was renamed: agents, scripts and stored approvals keep its former name.

beforeEach(() => void FORMER_NAMES.set('halt_vm', 'stop_vm'));
afterEach(() => void FORMER_NAMES.delete('halt_vm'));

test('a former name is an operation of the engine: its approval is redeemed by either name', async () => {
  const world = await openWorld();
  try {
    const approval_id = await world.asks('halt_vm', { vmid: 101 });
    await world.done('approve', { approval_id });
    expect(world.audit().filter(({ operation }) => operation === 'halt_vm')).toEqual([]);
    expect(world.cluster.mutations().length).toBe(1);
  } finally {
    await world.close();
  }
});

test.each(ERAS)('a %s client calls a tool by its former name, which is not listed', async (era) => {
  const it = face(() => ({ kind: 'done', output: {} }));
  const client = await connect(it, era);
  try {
    await client.callTool({ name: 'halt_vm', arguments: { vmid: 101 } });
    expect(it.calls[0]).toMatchObject({ operation: 'stop_vm', args: { vmid: 101 } });
    expect((await client.listTools()).tools.map(({ name }) => name)).not.toContain('halt_vm');
  } finally {
    await client.close();
  }
});

test('a rule of the policy about a former name is refused, because it would match no tool', () => {
  const policy = { rules: [{ match: { operation: ['halt_vm'] } }] } as unknown as Parameters<typeof checkPolicyOperations>[0];
  const names = operations.map(({ name }) => name);
  expect(() => checkPolicyOperations(policy, names)).toThrow('The policy has a rule about "halt_vm", which is not an operation.');
});

test('no former name is the name of a tool, and each leads to one', () => {
  const names = operations.map(({ name }) => name);
  for (const [former, present] of FORMER_NAMES) {
    expect(names).not.toContain(former);
    expect(names).toContain(present);
  }
});
