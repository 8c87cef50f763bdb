import { describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { Plan } from '../../../src/core/plan/plan.ts';
import type { Policy, PolicyRule } from '../../../src/core/settings/policy.ts';
import { evaluate, evaluatePolicy } from '../../../src/engine/limits/policy.ts';
import type { PolicyGuest, Subject } from '../../../src/engine/limits/subject.ts';
import type { Ports } from '../../../src/engine/ports.ts';

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
    expect(evaluate(policy({}), subject(), 'relay')).toEqual({ method: 'relay', approvals: 1 });
    expect(evaluate(policy({}), subject({ effect: 'change' }), 'relay')).toEqual({ approvals: 1 });
  });
  it('raises and never lowers', () => {
    const raise = policy({ rules: [rule({ method: 'terminal' }), rule({ method: 'elicitation' })] });
    expect(evaluate(raise, subject(), 'relay').method).toBe('terminal');
    expect(evaluate(raise, subject(), 'human').method).toBe('human');
  });
  it('can require an approval for a mere change', () => {
    expect(
      evaluate(
        policy({ rules: [rule({ match: { operation: ['set_resources'] }, method: 'human' })] }),
        subject({ operation: 'set_resources', effect: 'change' }),
        'relay',
      ).method,
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
    const act = () => evaluate(policy({ rules: [rule({ match, never: true })] }), subject(), 'relay');
    if (fits) expect(act).toThrow(expect.objectContaining({ code: 'forbidden_by_policy' }));
    else expect(act).not.toThrow();
  });
  it('requires the method human for several people', () => {
    expect(evaluate(policy({ rules: [rule({ approvals: 2 })] }), subject(), 'relay')).toEqual({ method: 'human', approvals: 2 });
  });
  it('takes the strictest age of a backup and the longest cool-down', () => {
    const rules = [rule({ requireBackupWithin: 100, cooldown: 10 }), rule({ requireBackupWithin: 50, cooldown: 20 })];
    expect(evaluate(policy({ rules }), subject(), 'relay')).toMatchObject({ requireBackupWithin: 50, cooldown: 20 });
  });
  it('covers every guest of a list: one forbidden guest forbids all', () => {
    const other = { vmid: 900, tags: ['dev'], createdHere: true };
    const only = policy({ only: { tags: ['dev'], pools: [], created: false } });
    expect(() => evaluate(only, subject({ guests: [other] }), 'relay')).not.toThrow();
    expect(() => evaluate(only, subject({ guests: [other, guest] }), 'relay')).toThrow(/105/);
    expect(() => evaluate(policy({ only: { tags: [], pools: [], created: true } }), subject({ guests: [other] }), 'relay')).not.toThrow();
  });
});

const free: PolicyGuest = { vmid: 300, tags: ['dev', 'web'], pool: null, createdHere: false };
const poolless: PolicyGuest = { vmid: 301, tags: [], createdHere: false };
const unseen: PolicyGuest = { vmid: 302, tags: [], createdHere: false, unseen: true };
const copied = (over: Partial<PolicyGuest['copied']> = {}): PolicyGuest => ({
  ...free,
  vmid: 400,
  tags: [],
  copied: { template: false, guarded: false, ...over },
});
const forbidden = (of: Policy, over: Partial<Subject>) => {
  try {
    evaluate(of, subject(over), 'relay');
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ code: 'forbidden_by_policy' });
    return error as { message: string; hint: string };
  }
};
const never = (match: PolicyRule['match']) => policy({ rules: [rule({ match, never: true })] });
const only = (over: Partial<NonNullable<Policy['only']>>) => policy({ only: { tags: [], pools: [], created: false, ...over } });

describe('a rule about guests', () => {
  it.each<[string, PolicyRule['match'], PolicyGuest[], boolean]>([
    ['one of several tags is enough', { tag: ['x', 'dev'] }, [free], true],
    ['one of several pools is enough', { pool: ['x', 'prod'] }, [guest], true],
    [
      'one of several ranges is enough',
      {
        vmid: [
          { from: 1, to: 2 },
          { from: 300, to: 300 },
        ],
      },
      [free],
      true,
    ],
    ['a range ends', { vmid: [{ from: 100, to: 299 }] }, [free], false],
    ['a range begins with its first VMID', { vmid: [{ from: 300, to: 310 }] }, [free], true],
    ['one guest of a list is enough', { tag: ['prod'] }, [free, guest], true],
    ['nested pools are of the pool, whatever the case', { pool: ['PROD'] }, [{ ...guest, pool: 'prod/shop' }], true],
    ['a guest in no pool for sure is not of it', { pool: ['prod'] }, [free], false],
    ['a guest listed without a pool is not of a pool that can be seen', { pool: ['prod'] }, [poolless], false],
    ['a guest that cannot be seen may carry the tag', { tag: ['prod'] }, [unseen], true],
    ['a guest that cannot be seen may be in the pool', { pool: ['prod'] }, [unseen], true],
    ['without guests no tag, pool or range fits', { tag: ['prod'] }, [], false],
  ])('%s', (_case, match, guests, fits) => {
    expect(forbidden(never(match), { guests }) !== undefined).toBe(fits);
  });

  it('fits a guest that may be in a pool whose members are hidden, and the refusal says why', () => {
    const hidden = new Set(['prod']);
    const refusal = forbidden(never({ pool: ['prod'] }), { guests: [poolless], hidden });
    expect(refusal?.hint).toContain('The Proxmox token lacks Pool.Audit on /pool/prod, so');
    expect(forbidden(never({ pool: ['prod'] }), { guests: [free], hidden })).toBeUndefined();
    expect(forbidden(never({ tag: ['dev'] }), { guests: [free], hidden })?.hint).not.toContain('Pool.Audit');
    expect(forbidden(never({}), { guests: [free, poolless], hidden: new Set(['a', 'b']) })?.hint).toContain('on /pool/a, /pool/b,');
    expect(forbidden(never({}), { guests: [poolless], hidden: new Set() })?.hint).not.toContain('Pool.Audit');
    expect(forbidden(never({}), { guests: [poolless] })?.hint).not.toContain('Pool.Audit');
  });

  it('names in its refusal what is changed and what is copied', () => {
    const message = (...guests: PolicyGuest[]) => forbidden(never({}), { guests })?.message;
    expect(message(guest, free)).toBe('The policy never allows delete_vm for VMID 105, 300.');
    expect(message(guest, copied())).toBe('The policy never allows delete_vm for VMID 105 with the disks of 400.');
    expect(message(copied())).toBe('The policy never allows delete_vm with the disks of 400.');
    expect(message()).toBe('The policy never allows delete_vm.');
  });

  it('names of several guests those that a rule fits', () => {
    const range = never({ vmid: [{ from: 300, to: 399 }] });
    expect(forbidden(range, { guests: [guest, free] })?.message).toBe('The policy never allows delete_vm for VMID 300.');
    const both = never({ vmid: [{ from: 300, to: 300 }], tag: guest.tags });
    expect(forbidden(both, { guests: [guest, { ...free, tags: [] }] })?.message).toBe(
      'The policy never allows delete_vm for VMID 105, 300.',
    );
  });
});

describe('a policy that allows only certain guests', () => {
  it.each<[string, Parameters<typeof only>[0], PolicyGuest, boolean]>([
    ['one of several tags', { tags: ['x', 'dev'] }, free, true],
    ['no tag at all', { tags: ['x'] }, free, false],
    ['one of several pools', { pools: ['x', 'prod'] }, guest, true],
    ['another pool', { pools: ['x'] }, guest, false],
    ['made here, which is not asked for', { tags: ['x'] }, { ...free, createdHere: true }, false],
    ['made here', { created: true }, { ...free, createdHere: true }, true],
    ['not made here', { created: true }, free, false],
    ['a tag that cannot be seen', { tags: ['dev'] }, unseen, false],
    ['a pool that cannot be seen', { pools: ['prod'] }, unseen, false],
    ['copied from a template', {}, copied({ template: true }), true],
    ['copied from another guest', {}, copied(), false],
  ])('%s', (_case, allowed, one, fits) => {
    expect(forbidden(only(allowed), { guests: [one] }) === undefined).toBe(fits);
  });

  it('allows no guest that may or may not be in the pool', () => {
    const refusal = forbidden(only({ pools: ['prod'] }), { guests: [poolless], hidden: new Set(['prod']) });
    expect(refusal?.message).toBe('The policy does not allow changes to guest 301.');
    expect(refusal?.hint).toContain('/pool/prod');
    expect(forbidden(only({}), { guests: [copied()] })?.message).toBe('The policy does not allow copies of guest 400.');
  });
});

describe('the demands of a policy', () => {
  it('are only those that it names', () => {
    expect(evaluate(policy({ rules: [rule({})] }), subject({ effect: 'change' }), 'relay')).toStrictEqual({ approvals: 1 });
  });
  it('count each rule, also those that demand something else', () => {
    const rules = [rule({}), rule({ cooldown: 10, approvals: 2 }), rule({ cooldown: 5, approvals: 3, requireBackupWithin: 7 }), rule({})];
    const decision = evaluate(policy({ rules }), subject(), 'relay');
    expect(decision).toStrictEqual({ method: 'human', approvals: 3, requireBackupWithin: 7, cooldown: 10 });
  });
  it('include an approval of a change that needs two people, or that copies a guarded guest', () => {
    const change = { effect: 'change' as const };
    expect(evaluate(policy({ rules: [rule({ approvals: 2 })] }), subject(change), 'relay').method).toBe('human');
    expect(evaluate(policy({}), subject({ ...change, guests: [guest, copied({ guarded: true })] }), 'terminal').method).toBe('terminal');
    expect(evaluate(policy({}), subject({ ...change, guests: [guest, copied()] }), 'terminal').method).toBeUndefined();
  });
});

it('the decision on a plan has the approval method of the caller, and follows the rules about the requester', async () => {
  const caller = { principal: 'local:1', channel: 'cli', canAsk: { terminal: true } } as Caller;
  const plan = { operation: 'stop_vm', effect: 'disrupt', target: { vmid: 105, protection: false }, steps: [] } as unknown as Plan;
  const rules = [rule({ match: { principal: ['token:ci'] }, method: 'human' })];
  const ports = { settings: { approval: { mode: 'auto' } }, cluster: { policy: policy({ rules }) } } as unknown as Ports;
  expect(await evaluatePolicy(plan, caller, ports)).toEqual({ method: 'terminal', approvals: 1 });
  expect(await evaluatePolicy(plan, caller, ports, { principal: 'token:ci' })).toEqual({ method: 'human', approvals: 1 });
});
