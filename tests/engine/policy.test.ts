import { describe, expect, it } from 'vitest';
import type { Policy, PolicyRule } from '../../src/core/policy.ts';
import { judge } from '../../src/engine/policy.ts';
import type { Subject } from '../../src/engine/subject.ts';

const rule = (over: Partial<PolicyRule>): PolicyRule => ({ match: {}, never: false, ...over });
const policy = (over: Partial<Policy>): Policy => ({ rules: [], perHour: {}, ...over });
const guest = { vmid: 105, tags: ['prod', 'db'], pool: 'prod', createdHere: false };
const subject = (over: Partial<Subject> = {}): Subject => ({
  operation: 'delete_vm',
  effect: 'destroy',
  principal: 'local:1',
  guests: [guest],
  ...over,
});

describe('a policy', () => {
  it('leaves everything as it is when it has no rules', () => {
    expect(judge(policy({}), subject(), 'relay')).toEqual({ way: 'relay', approvals: 1 });
    expect(judge(policy({}), subject({ effect: 'change' }), 'relay')).toEqual({ approvals: 1 });
  });
  it('raises and never lowers', () => {
    const raise = policy({ rules: [rule({ way: 'terminal' }), rule({ way: 'elicitation' })] });
    expect(judge(raise, subject(), 'relay').way).toBe('terminal');
    expect(judge(raise, subject(), 'human').way).toBe('human');
  });
  it('can make an approval necessary for a mere change', () => {
    expect(
      judge(
        policy({ rules: [rule({ match: { operation: ['set_resources'] }, way: 'human' })] }),
        subject({ operation: 'set_resources', effect: 'change' }),
        'relay',
      ).way,
    ).toBe('human');
  });
  it.each<[string, PolicyRule['match'], boolean]>([
    ['its tag, whatever the case', { tag: ['PROD'] }, true],
    ['another tag', { tag: ['dev'] }, false],
    ['its pool', { pool: ['prod'] }, true],
    ['another pool', { pool: ['dev'] }, false],
    ['its VMID range', { vmid: [{ from: 100, to: 105 }] }, true],
    ['another range', { vmid: [{ from: 106, to: 200 }] }, false],
    ['its operation and effect', { operation: ['delete_vm'], effect: ['destroy'] }, true],
    ['its operation with another effect', { operation: ['delete_vm'], effect: ['disrupt'] }, false],
    ['its requester', { principal: ['local:1'] }, true],
    ['another requester', { principal: ['local:2'] }, false],
  ])('fits a guest by %s', (_what, match, fits) => {
    const act = () => judge(policy({ rules: [rule({ match, never: true })] }), subject(), 'relay');
    if (fits) expect(act).toThrow(expect.objectContaining({ code: 'forbidden_by_policy' }));
    else expect(act).not.toThrow();
  });
  it('asks several people out of band', () => {
    expect(judge(policy({ rules: [rule({ approvals: 2 })] }), subject(), 'relay')).toEqual({ way: 'human', approvals: 2 });
  });
  it('takes the strictest age of a backup and the longest cool-down', () => {
    const rules = [rule({ requireBackupWithin: 100, cooldown: 10 }), rule({ requireBackupWithin: 50, cooldown: 20 })];
    expect(judge(policy({ rules }), subject(), 'relay')).toMatchObject({ requireBackupWithin: 50, cooldown: 20 });
  });
  it('covers every guest of a list: one forbidden guest forbids all', () => {
    const other = { vmid: 900, tags: ['dev'], createdHere: true };
    const only = policy({ only: { tags: ['dev'], pools: [], created: false } });
    expect(() => judge(only, subject({ guests: [other] }), 'relay')).not.toThrow();
    expect(() => judge(only, subject({ guests: [other, guest] }), 'relay')).toThrow(/105/);
    expect(() => judge(policy({ only: { tags: [], pools: [], created: true } }), subject({ guests: [other] }), 'relay')).not.toThrow();
  });
});
