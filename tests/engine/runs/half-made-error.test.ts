import { expect, it } from 'vitest';
import { ProxmoxMcpError } from '../../../src/core/errors/errors.ts';
import type { Plan } from '../../../src/core/plan/plan.ts';
import { explain } from '../../../src/engine/runs/half-made.ts';

it('an error after the last request names what is done, and no empty list of what is not', () => {
  const request = { kind: 'request', id: 'migrate', method: 'POST', path: '/nodes/pve/qemu/105/migrate', params: {}, purpose: 'move web1' };
  const wait = {
    kind: 'wait',
    id: 'moved',
    until: { kind: 'location', type: 'qemu', vmid: 105, node: 'pve2' },
    timeoutSeconds: 1,
    purpose: 'x',
  };
  const plan = { steps: [request, wait], summary: 'x' } as unknown as Plan;
  const steps = [{ id: 'migrate', state: 'done' as const, at: '' }];
  const error = explain(
    { id: 'run_1', plan } as never,
    { steps, status: 'failed' },
    new ProxmoxMcpError('task_failed', 'It is still not there'),
  );
  expect(error.message).toBe('It is still not there. Done before: move web1.');
  expect(error.details).toMatchObject({ done: ['move web1'], not_done: [] });
});
