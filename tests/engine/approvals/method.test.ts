import { describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { ApprovalMethod } from '../../../src/core/plan/approval.ts';
import { APPROVAL_METHODS, stricter } from '../../../src/core/plan/approval.ts';
import type { Plan } from '../../../src/core/plan/plan.ts';
import type { ApprovalMode } from '../../../src/core/settings/settings.ts';
import { methodFor } from '../../../src/engine/approvals/method.ts';

const caller = (channel: Caller['channel'], can: Partial<Caller['canAsk']> = {}): Caller => ({
  principal: 'p',
  owner: 'p',
  channel,
  canAsk: { elicitation: false, terminal: false, ...can },
  isOperator: false,
});
const disrupt = { effect: 'disrupt' } as Plan;
const destroy = { effect: 'destroy' } as Plan;
const destroyProtected = { effect: 'destroy', target: { protection: true } } as Plan;
const callers = {
  terminal: caller('cli', { terminal: true }),
  shell: caller('cli'),
  stdio: caller('stdio'),
  eliciting: caller('stdio', { elicitation: true }),
  console: caller('console'),
  http: caller('http'),
  httpTrusted: caller('http', { elicitation: true }),
  strange: { ...caller('cli'), channel: 'carrier pigeon' as Caller['channel'] },
};

describe('the approval method', () => {
  it.each<[ApprovalMode, keyof typeof callers, ApprovalMethod, ApprovalMethod, ApprovalMethod]>([
    // mode, caller, disrupt, destroy, destroy of a protected guest
    ['auto', 'terminal', 'terminal', 'terminal', 'terminal'],
    ['auto', 'shell', 'relay', 'relay', 'human'],
    ['auto', 'stdio', 'relay', 'relay', 'human'],
    ['auto', 'eliciting', 'elicitation', 'elicitation', 'human'],
    ['auto', 'console', 'relay', 'relay', 'human'],
    ['auto', 'http', 'human', 'human', 'human'],
    ['auto', 'httpTrusted', 'elicitation', 'elicitation', 'human'],
    ['auto', 'strange', 'human', 'human', 'human'],
    ['relay', 'terminal', 'relay', 'relay', 'relay'],
    ['relay', 'stdio', 'relay', 'relay', 'relay'],
    ['relay', 'http', 'human', 'human', 'human'],
    ['relay', 'httpTrusted', 'elicitation', 'elicitation', 'human'],
    ['relay', 'strange', 'human', 'human', 'human'],
    ['human', 'terminal', 'human', 'human', 'human'],
    ['human', 'stdio', 'human', 'human', 'human'],
    ['human', 'eliciting', 'human', 'human', 'human'],
  ])('%s, %s', (mode, who, whenDisrupt, whenDestroy, whenProtected) => {
    expect([disrupt, destroy, destroyProtected].map((plan) => methodFor(mode, callers[who], plan))).toEqual([
      whenDisrupt,
      whenDestroy,
      whenProtected,
    ]);
  });

  it('is a human for data of a guarded guest, and the usual method for stopping a protected one', () => {
    const source = { vmid: 1, template: false, identity: { protection: false } };
    const guarded = { ...source, identity: { protection: true } };
    const method = (plan: object, who: Caller = callers.eliciting) => methodFor('auto', who, plan as Plan);
    expect(method({ effect: 'change', sources: [source, guarded] })).toBe('human');
    expect(method({ effect: 'change', sources: [source, guarded] }, callers.httpTrusted)).toBe('human');
    expect(method({ effect: 'change', sources: [source] })).toBe('elicitation');
    expect(method({ effect: 'disrupt', target: { protection: true } })).toBe('elicitation');
  });

  it('is the stricter of the frozen and the present one', () => {
    for (const frozen of APPROVAL_METHODS)
      for (const now of APPROVAL_METHODS)
        expect(APPROVAL_METHODS.indexOf(stricter(frozen, now))).toBe(
          Math.max(APPROVAL_METHODS.indexOf(frozen), APPROVAL_METHODS.indexOf(now)),
        );
  });
});
