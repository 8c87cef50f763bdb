import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/core/plan/plan.ts';
import { differences } from '../../../src/engine/approvals/stale.ts';
import { planDigest } from '../../../src/engine/records.ts';

const plan = (binds?: Plan['binds']): Plan => ({
  operation: 'restore_backup',
  summary: 'restore',
  effect: 'change',
  steps: [],
  expected: [],
  choices: [],
  warnings: [],
  undo: 'delete_vm',
  ...(binds ? { binds } : {}),
});
const backup = (size: number) => ({ 'backup local:backup/vzdump-qemu-105.vma': { size, ctime: 1_790_000_000 } });

describe('the facts that a plan is bound to beside guests', () => {
  it('are part of its digest', () => {
    const digest = (one: Plan) => planDigest(one, {}, 'cluster');
    expect(digest(plan(backup(1)))).toBe(digest(plan(backup(1))));
    expect(digest(plan(backup(1)))).not.toBe(digest(plan(backup(2))));
    expect(digest(plan(backup(1)))).not.toBe(digest(plan()));
  });

  it('are named where they changed, went away or joined', () => {
    const name = Object.keys(backup(1))[0];
    expect(differences(plan(backup(1)), plan(backup(2)))).toEqual([`${name} was replaced or changed`]);
    expect(differences(plan(backup(1)), plan())).toEqual([`${name} is no longer part of it`]);
    expect(differences(plan(), plan(backup(1)))).toEqual([`${name} is also part of it`]);
  });
});
