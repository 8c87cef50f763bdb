import { describe, expect, it } from 'vitest';
import { decisionOn, type Filter } from '../../../../src/operations/vm/firewall/decision.ts';

const filter = (rules: Filter['rules'], options: Filter['options'] = {}, changed: string[] = []): Filter => ({
  options: { enable: '1', policy_in: 'DROP', policy_out: 'ACCEPT', ...options },
  rules: rules.map((rule) => ({ type: 'in', enable: '1', ...rule })),
  changed,
});
const accept = (more: Record<string, string> = {}) => ({ action: 'ACCEPT', ...more });
const drop = (more: Record<string, string> = {}) => ({ action: 'DROP', ...more });
const ssh = { proto: 'tcp', dport: '22' };
const office = { source: '10.0.0.0/8' };

describe('new connections to port 22', () => {
  it.each<[string, Filter, string]>([
    ['pass a firewall that is off', filter([drop()], { enable: '0' }), 'open'],
    [
      'meet the policy where no rule speaks of them',
      filter([accept({ proto: 'udp' }), accept({ proto: 'tcp', dport: '80,443' })]),
      'closed',
    ],
    ['pass where the policy accepts', filter([], { policy_in: 'ACCEPT' }), 'open'],
    ['pass by a rule about the port', filter([accept(ssh)]), 'open'],
    ['pass by a range that holds it', filter([accept({ proto: '6', dport: '20:25' })]), 'open'],
    ['pass by a macro', filter([accept({ macro: 'SSH' })]), 'open'],
    ['do not pass by the macro of another port', filter([accept({ macro: 'HTTPS' })]), 'closed'],
    ['do not pass by a rule that is off', filter([accept({ ...ssh, enable: '0' })]), 'closed'],
    ['do not pass by a rule for the other direction', filter([accept({ ...ssh, type: 'out' })]), 'closed'],
    ['meet the first rule that speaks of them', filter([drop(), accept(ssh)]), 'closed'],
    ['depend on their address', filter([accept({ ...ssh, ...office })]), 'unsure'],
    ['pass whatever their address, where both rules accept', filter([accept({ ...ssh, ...office }), accept(ssh)]), 'open'],
    ['depend on a rule before that drops some', filter([drop(office), accept(ssh)]), 'unsure'],
    ['depend on a security group', filter([{ type: 'group', action: 'web' }, accept(ssh)]), 'unsure'],
    ['depend on a macro whose ports are unknown', filter([accept({ macro: 'Citrix' })]), 'unsure'],
    ['depend on ports with a name', filter([accept({ proto: 'tcp', dport: 'ssh' })]), 'unsure'],
    ['depend on the IP filter', filter([accept(ssh)], { ipfilter: '1' }), 'unsure'],
    ['pass by a source that is everywhere', filter([accept({ ...ssh, source: '0.0.0.0/0' })]), 'open'],
  ])('%s', (_what, given, is) => {
    expect(decisionOn(given, 'in', 22).is).toBe(is);
  });
});

it('two configurations decide differently only where a rule or option differs', () => {
  const because = (rules: Filter['rules'], changed: string[] = []) => decisionOn(filter(rules, {}, changed), 'in', 22).because;
  const rules = [accept({ ...ssh, source: '+guest/Office' }), drop(ssh)];
  expect(because([accept({ macro: 'HTTPS' }), ...rules, accept()])).toBe(because(rules));
  expect(because([{ ...rules[0], comment: 'x' }, drop(ssh)])).toBe(because(rules));
  expect(because(rules.toReversed())).not.toBe(because(rules));
  expect(because(rules, ['+office'])).not.toBe(because(rules));
  expect(because(rules, ['+other'])).toBe(because(rules));
});
