import { describe, expect, it } from 'vitest';
import type { RequestStep, Step } from '../../src/core/plan/plan.ts';
import type { ResolvedRequest } from '../../src/core/proxmox.ts';
import { openGate } from '../../src/proxmox/gate.ts';

const step = (id: string, more: Partial<RequestStep> = {}): RequestStep => ({
  kind: 'request',
  id,
  method: 'POST',
  path: `/nodes/pve/qemu/105/${id}`,
  params: { a: 1, b: { $secret: 'x' } },
  purpose: id,
  ...more,
});
const resolve = (one: RequestStep): ResolvedRequest => ({
  stepId: one.id,
  method: one.method,
  path: one.path,
  params: { a: 1, b: 'revealed' },
});
const check: Step = { kind: 'check', id: 'check', purpose: 'x', that: { kind: 'location', type: 'qemu', vmid: 105, node: 'pve' } };
const [one, two] = [step('one', { retryOnLock: true }), step('two')];
const refused = expect.objectContaining({ code: 'internal' });

describe('the gate', () => {
  it('lets the requests of the plan through in order, each once', () => {
    const gate = openGate([one, check, two], resolve);
    gate.pass(resolve(one));
    gate.pass({ ...resolve(two), params: { b: 'revealed', a: 1 } });
    expect(() => gate.pass(resolve(two))).toThrow(refused);
  });

  it.each([
    ['method', { method: 'DELETE' }],
    ['path', { path: '/nodes/pve/qemu/106/one' }],
    ['value', { params: { a: 2, b: 'revealed' } }],
    ['type of a value', { params: { a: '1', b: 'revealed' } }],
    ['additional parameter', { params: { a: 1, b: 'revealed', c: 1 } }],
    ['missing parameter', { params: { a: 1 } }],
    ['step', { stepId: 'two' }],
  ] as [string, Partial<ResolvedRequest>][])('refuses another %s, and everything after it', (_, change) => {
    const gate = openGate([one, two], resolve);
    expect(() => gate.pass({ ...resolve(one), ...change })).toThrow(refused);
    // The next right one: a gate that only moved on would let it through.
    expect(() => gate.pass(resolve(two))).toThrow(refused);
    expect(() => gate.pass(resolve(one))).toThrow(refused);
    expect(() => gate.reopen('one')).toThrow(refused);
  });

  it('refuses steps out of order, the same step twice, and anything for an empty plan', () => {
    expect(() => openGate([one, two], resolve).pass(resolve(two))).toThrow(refused);
    const gate = openGate([one, two], resolve);
    gate.pass(resolve(one));
    expect(() => gate.pass(resolve(one))).toThrow(refused);
    expect(() => openGate([check], resolve).pass(resolve(one))).toThrow(refused);
  });

  it('keeps secrets out of its refusals', () => {
    expect(() => openGate([one], resolve).pass({ ...resolve(one), params: { b: 'other secret' } })).toThrow(
      /^(?!.*(revealed|other secret))/,
    );
  });

  it('refuses to be opened wrongly: a resolver that answers for another step', () => {
    expect(() => openGate([one], () => resolve(two)).pass(resolve(two))).toThrow(refused);
    const deletes = { ...resolve(one), method: 'DELETE' } as const;
    expect(() => openGate([one], () => deletes).pass(deletes)).toThrow(refused);
  });

  it('opens again only for the step that just passed and may meet a lock', () => {
    const gate = openGate([one, two], resolve);
    expect(() => gate.reopen('one')).toThrow(refused);
    gate.pass(resolve(one));
    expect(() => gate.reopen('two')).toThrow(refused);
    gate.reopen('one');
    expect(() => gate.reopen('one')).toThrow(refused);
    gate.pass(resolve(one));
    gate.pass(resolve(two));
    expect(() => gate.reopen('one')).toThrow(refused);
    expect(() => gate.reopen('two')).toThrow(refused);
  });
});
