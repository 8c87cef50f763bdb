import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors.ts';
import { defineOperation } from '../define.ts';
import { filled } from '../filled.ts';

/** Follows a run of this server, or any worker task of Proxmox that the token may see. */
export const getTask = defineOperation({
  name: 'get_task',
  title: 'Follow a task',
  effect: 'control',
  decides: false,
  toolset: 'everyday',
  description: 'State, outcome and log of a run or Proxmox task; without an id your recent runs. Use it after an answer "running".',
  input: z.strictObject({
    upid: filled(256).optional(),
    run_id: filled(64).optional(),
    wait_seconds: z.int().min(0).max(50).optional(),
    log_lines: z.int().min(0).max(200).default(0),
  }),
  output: z.looseObject({
    run_id: z.string().optional(),
    status: z.string().optional(),
    upid: z.string().optional(),
    exit: z.string().optional(),
    result: z.looseObject({}).optional(),
    log: z.array(z.string()).optional(),
    runs: z.array(z.looseObject({ run_id: z.string(), status: z.string() })).optional(),
  }),
  async run(ports, { upid, run_id, wait_seconds, log_lines }) {
    if (upid !== undefined && run_id !== undefined) fail('invalid_arguments', 'Give upid or run_id, not both.');
    const query = { logLines: log_lines, ...defined({ upid, runId: run_id, waitSeconds: wait_seconds }) };
    const output = await (upid === undefined && run_id === undefined ? ports.tasks.recent() : ports.tasks.get(query));
    return { kind: 'done', output };
  },
});
