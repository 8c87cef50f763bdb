import * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import type { PlanDraft, RequestStep } from '../../core/plan/plan.ts';
import type { GuestRun } from '../../core/settings/policy.ts';
import { unreadable } from '../../core/text/readable.ts';
import { guestPath } from '../../proxmox/guest/guests.ts';
import { defineOperation, type OperationContext } from '../define.ts';
import { checkReadRight, compareFile, linesOf, readFile, refusePath, writeParams } from './inside/file.ts';
import { isFor } from './inside/inside.ts';
import { allowsProgram, endOf } from './inside/program.ts';
import { GUEST_READS } from './lib/api.ts';
import { guestRequest } from './lib/guest-request.ts';
import { outcomeOf, placeOf } from './lib/outcome.ts';
import { lines, vmid } from './lib/schemas.ts';
import { about, label, readTarget, refuseLocked, stillItself, type Target } from './lib/target.ts';

const MAX_ARGUMENTS = 50;

const input = z.strictObject({
  vmid,
  // Proxmox reads a NUL as the end of an argument, so one could be two.
  argv: z.array(lines(1000)).min(1).max(MAX_ARGUMENTS).optional(),
  file: z.string().max(1000).optional().describe('Instead of argv: read this file, or with content write it'),
  content: z.string().optional(),
});
type Args = z.output<typeof input>;

const output = z.looseObject({
  vmid: z.number(),
  name: z.string(),
  exit_code: z.number().optional(),
  signal: z.number().optional(),
  out: z.string().optional(),
  err: z.string().optional(),
  written: z.boolean().optional(),
  notice: z.string().optional(),
  choices: z.array(z.string()).optional(),
  warnings: z.array(z.string()).optional(),
});

/** POST …/agent/exec: a program with its arguments, without a shell; …/agent/file-read and file-write. Each as the policy allows it. */
export const runInGuest = defineOperation({
  name: 'run_in_guest',
  title: 'Use a program or file in a VM',
  effect: 'destroy',
  toolset: 'agent',
  description:
    'Runs a program through the guest agent, without a shell, or reads or writes a file, if the policy allows it on this VM: ["systemctl","status","nginx"].',
  input,
  byName: { vmid: 'name' },
  output,
  reads: [...GUEST_READS, 'GET /nodes/{node}/qemu/{vmid}/agent/exec-status'],
  mayRead: ['GET /nodes/{node}/qemu/{vmid}/agent/file-read'],
  sends: { 'POST /nodes/{node}/qemu/{vmid}/agent/exec': ['command'] },
  maySend: { 'POST /nodes/{node}/qemu/{vmid}/agent/file-write': ['file', 'content', 'encode'] },
  example: { vmid: 101, argv: ['systemctl', 'status', 'nginx'] },
  async plan(ctx, args): Promise<PlanDraft> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest, running } = target;
    const of = label(guest);
    const { does, request, ...parts } = taskOf(ctx, args, target);
    if (guest.at.type === 'lxc') fail('not_possible', `${of} is a container, and containers have no guest agent.`);
    if (!running) fail('guest_state', `${of} is not running.`, { hint: `Start it with start_vm {"vmid": ${args.vmid}}.` });
    // Proxmox asks the agent whatever the lock. A backup may take hours, the work behind other locks moves, freezes or ends the guest.
    refuseLocked(target, ['backup']);
    const agent = `${guestPath(guest.at)}/agent`;
    if (request === undefined) await checkReadRight(ctx.api, agent);
    return {
      ...about(target),
      summary: `${does} in ${of} on ${guest.at.node}`,
      steps: request
        ? [guestRequest(guest.at, { id: 'run', purpose: `${does} in ${of}`, ...request, path: `/agent/${request.path}` })]
        : [stillItself(guest.identity)],
      expected: [{ kind: 'guest', ...guest.at, is: 'present', key: guest.identity.key }],
      ...parts,
    };
  },
  async tellsOnce(api, run) {
    const { file } = run.args as Partial<Args>;
    const data = run.steps.at(-1)?.data as { pid?: number } | undefined;
    return file === undefined ? endOf(api, `${guestPath(placeOf(run))}/agent`, data?.pid) : undefined;
  },
  async report(api, run) {
    const { name, ...at } = placeOf(run);
    const agent = `${guestPath(at)}/agent`;
    const { file, content } = run.args as Partial<Args>;
    const inside =
      file === undefined
        ? run.steps.at(-1)?.told
        : content === undefined
          ? await readFile(api, agent, file, run)
          : await compareFile(api, agent, file, content);
    return { vmid: at.vmid, name, ...inside, ...outcomeOf(run) };
  },
});

interface Task extends Pick<PlanDraft, 'after' | 'warnings' | 'undo'> {
  does: string;
  /** Absent for reading, which sends no change. The path is that below the agent's. */
  request?: Pick<RequestStep, 'path' | 'params'>;
}

/** @throws forbidden_by_policy for what no rule allows in this guest */
function taskOf({ runs = [] }: Pick<OperationContext, 'runs'>, { argv, file, content }: Args, { guest, row }: Target): Task {
  const rules = runs.filter((rule) => isFor(rule, row));
  const of = label(guest);
  if ((argv === undefined) === (file === undefined)) fail('invalid_arguments', 'run_in_guest needs either argv or file.');
  if (argv !== undefined) {
    if (content !== undefined) fail('invalid_arguments', 'content is for a file, not for a program.');
    const command = JSON.stringify(argv);
    checkAllowed(rules, (rule) => allowsProgram(rule.argv ?? [], argv), `${command} in ${of}`);
    // A line break would look like a blank: what follows a "#" would read as a comment.
    const shown = argv.map((item) => (/[\r\n]/.test(item) ? JSON.stringify(item) : item));
    for (const [index, item] of shown.entries()) {
      const problem = unreadable(item);
      const written = item === argv[index] ? '' : ', with \\n for each line break';
      if (problem !== undefined)
        fail('invalid_arguments', `argv[${index}] ${problem}${written}.`, {
          hint: 'Shorten it, or let the operator place a script in the VM.',
        });
    }
    return {
      does: `Run ${command}`,
      request: { path: 'exec', params: { command: argv } },
      after: { argv: shown },
      warnings: ['it runs as root or SYSTEM; after a lost answer the server cannot tell whether it ran'],
      undo: 'none: the server does not know what the program changes',
    };
  }
  const whole = file ?? '';
  refusePath(whole);
  checkAllowed(rules, (rule) => rule.files?.includes(whole) ?? false, `the file ${whole} in ${of}`);
  if (content === undefined) {
    return {
      does: `Read ${whole}`,
      after: { read: whole },
      warnings: ['it is read as root or SYSTEM, and the agent and its model get the content'],
      undo: 'none: what was read stays known',
    };
  }
  return {
    does: `Write ${whole}`,
    after: { file: whole, content: linesOf(content) },
    request: { path: 'file-write', params: writeParams(whole, content) },
    warnings: ['it replaces the whole file as root or SYSTEM; after a lost answer the server cannot tell whether it was written'],
    undo: 'none: the former content is not kept',
  };
}

function checkAllowed(rules: readonly GuestRun[], allows: (rule: GuestRun) => boolean, what: string): void {
  if (rules.some(allows)) return;
  fail('forbidden_by_policy', `The policy does not allow ${what}.`, {
    hint: 'Tell the user. Only the operator can allow it, with the key "run" of the policy file (docs/approvals.md).',
  });
}
