import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { defineOperation } from '../define.ts';
import { filled } from '../filled.ts';

/** Follows a run of this server, or any worker task of Proxmox that the token may see. */
export const getTask = defineOperation({
  name: 'get_task',
  title: 'Follow a task',
  effect: 'control',
  decides: false,
  toolset: 'everyday',
  description:
    'State, outcome and log of one run or Proxmox task. Use it after an answer "running". Without an id it lists your recent runs. With status, guest, node or mine false it lists the tasks of all users.',
  input: z.strictObject({
    upid: filled(256).optional(),
    run_id: filled(64).optional(),
    wait_seconds: z.int().min(0).max(50).optional(),
    log_lines: z.int().min(0).max(200).optional().describe('The last ones'),
    status: z.enum(['failed', 'running']).optional(),
    guest: z.coerce.string().trim().min(1).max(253).optional().describe('VMID or name'),
    node: filled(64).optional(),
    mine: z.boolean().optional().describe('Runs of yours alone'),
    limit: z.int().min(1).max(60).default(10),
  }),
  output: z.looseObject({
    run_id: z.string().optional(),
    status: z.string().optional(),
    upid: z.string().optional(),
    exit: z.string().optional(),
    result: z.looseObject({}).optional(),
    log: z.array(z.string()).optional(),
    runs: z.array(z.looseObject({ run_id: z.string(), status: z.string() })).optional(),
    tasks: z.array(z.looseObject({ type: z.string(), status: z.string() })).optional(),
    notice: z.string().optional(),
    cannot_see: z.array(z.string()).optional(),
  }),
  tables: ['runs', 'tasks'],
  async run({ tasks }, { upid, run_id, wait_seconds, log_lines, mine, limit, ...filters }) {
    if (upid !== undefined && run_id !== undefined) fail('invalid_arguments', 'Give upid or run_id, not both.');
    if (upid !== undefined || run_id !== undefined) {
      const query = defined({ upid, runId: run_id, waitSeconds: wait_seconds, logLines: log_lines });
      return { kind: 'done', output: await tasks.get(query) };
    }
    const filter = { limit, logLines: log_lines ?? 0, ...defined(filters) };
    const own = mine ?? Object.values(filters).every((value) => value === undefined);
    return { kind: 'done', output: await (own ? tasks.recent(filter) : tasks.list(filter)) };
  },
});
