import { expect, it } from 'vitest';
import * as z from 'zod';
import { type ErrorCode, fail } from '../../../src/core/errors/errors.ts';
import type { RunRecord } from '../../../src/core/plan/run.ts';
import type { Ports } from '../../../src/engine/ports.ts';
import { resultOf } from '../../../src/engine/runs/answer.ts';
import type { ChangeOperation } from '../../../src/operations/define.ts';

const run = { id: 'run_1', status: 'succeeded', steps: [] } as unknown as RunRecord;
const ports = { cluster: { api: {} }, log: { warn() {} } } as unknown as Ports;
const reporting = (code: ErrorCode) =>
  ({ output: z.object({ vmid: z.int() }), report: async () => fail(code, 'The list ended with 500.') }) as unknown as ChangeOperation;

it.each(['unreachable', 'proxmox_refused', 'permission_denied'] as const)(
  'a run that ended well is answered as done, also when its state cannot be read: %s',
  async (code) => {
    expect(await resultOf(run, reporting(code), ports)).toEqual({
      kind: 'done',
      output: {
        run_id: 'run_1',
        status: 'succeeded',
        notice: 'All steps are done. The state afterwards could not be read: The list ended with 500. Look at it with get_vm or get_task.',
      },
    });
  },
);

it('an outcome that the report itself rejects stays an error', async () => {
  await expect(resultOf(run, reporting('task_failed'), ports)).rejects.toMatchObject({ code: 'task_failed' });
});
