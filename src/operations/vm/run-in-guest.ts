import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { asError, fail } from '../../core/errors.ts';
import { isInPool } from '../../core/guest.ts';
import type { Plan } from '../../core/plan.ts';
import type { GuestRun } from '../../core/policy.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { fencedOutput } from '../../core/text.ts';
import { type GuestRow, guestPath } from '../../proxmox/guests.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS } from './lib/api.ts';
import { outcomeOf, placeOf } from './lib/outcome.ts';
import { vmid } from './lib/schemas.ts';
import { factsOf, label, readTarget, refuseLocked } from './lib/target.ts';

/** How often and how long (ms) the end of the program is waited for. */
const LOOKS = { times: 40, pauseMs: 500 };
const MAX_ARGUMENTS = 50;

const output = z.object({
  vmid: z.number(),
  name: z.string(),
  exit_code: z.number().optional(),
  signal: z.number().optional(),
  out: z.string().optional(),
  err: z.string().optional(),
  notice: z.string().optional(),
  choices: z.array(z.string()).optional(),
  warnings: z.array(z.string()).optional(),
});

/** POST …/agent/exec: a program with its arguments, without a shell, as the policy allows it. */
export const runInGuest = defineOperation({
  name: 'run_in_guest',
  title: 'Run a program in a VM',
  effect: 'destroy',
  toolset: 'agent',
  description:
    'Runs a program through the guest agent, without a shell, if the policy allows this program on this VM: ["systemctl","status","nginx"].',
  input: z.strictObject({ vmid, argv: z.array(z.string().min(1).max(1000)).min(1).max(MAX_ARGUMENTS) }),
  byName: { vmid: 'name' },
  output,
  reads: [...GUEST_READS, 'GET /nodes/{node}/qemu/{vmid}/agent/exec-status'],
  sends: { 'POST /nodes/{node}/qemu/{vmid}/agent/exec': ['command'] },
  example: { vmid: 101, argv: ['systemctl', 'status', 'nginx'] },
  async plan(ctx, { vmid, argv }): Promise<Plan> {
    const target = await readTarget(ctx.api, vmid);
    const { guest, row, running } = target;
    const of = label(guest);
    const command = JSON.stringify(argv);
    if (!(ctx.runs ?? []).some((rule) => allows(rule, row, argv))) {
      fail('forbidden_by_policy', `The policy does not allow ${command} in ${of}.`, {
        hint: 'Tell the user. Only the operator can allow it, with the key "run" of the policy file (docs/approvals.md).',
      });
    }
    if (guest.at.type === 'lxc') fail('not_possible', `${of} is a container, and containers have no guest agent.`);
    if (!running) fail('guest_state', `${of} is not running.`, { hint: `Start it with start_vm {"vmid": ${vmid}}.` });
    refuseLocked(target);
    return {
      operation: 'run_in_guest',
      summary: `Run ${command} in ${of} on ${guest.at.node}`,
      effect: 'destroy',
      target: guest.identity,
      node: guest.at.node,
      facts: factsOf(target),
      steps: [
        {
          kind: 'request',
          id: 'run',
          method: 'POST',
          path: `${guestPath(guest.at)}/agent/exec`,
          params: { command: argv },
          purpose: `run ${command} in ${of}`,
        },
      ],
      expected: [{ kind: 'guest', ...guest.at, is: 'present', key: guest.identity.key }],
      choices: [],
      warnings: ['it runs as root or SYSTEM; after a lost answer the server cannot tell whether it ran'],
      after: { argv },
      undo: 'none: the server does not know what the program changes',
    };
  },
  async report(api, run) {
    const { name, ...at } = placeOf(run);
    const data = run.steps.find(({ id }) => id === 'run')?.data as { pid?: number } | undefined;
    return { vmid: at.vmid, name, ...(await endOf(api, `${guestPath(at)}/agent/exec-status`, data?.pid)), ...outcomeOf(run) };
  },
});

/** Whether a rule of the policy names the guest and the program: all given keys must match, and each argument is the same or `*`. */
function allows({ match, argv }: GuestRun, { vmid, tags, pool }: GuestRow, asked: readonly string[]): boolean {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const isGuest =
    (match.vmid?.some(({ from, to }) => vmid >= from && vmid <= to) ?? true) &&
    (match.tag?.some((tag) => tags.some((one) => same(one, tag))) ?? true) &&
    (match.pool?.some((one) => isInPool(pool, one)) ?? true);
  return (
    isGuest && argv.some((items) => items.length === asked.length && items.every((item, index) => item === '*' || item === asked[index]))
  );
}

interface Ended {
  exited?: number | boolean;
  exitcode?: number;
  signal?: number;
  'out-data'?: string;
  'err-data'?: string;
}

async function endOf(api: ProxmoxReader, path: string, pid: number | undefined): Promise<Partial<z.input<typeof output>>> {
  if (pid === undefined) return { notice: 'the agent told no process id, so the outcome of the program is unknown' };
  for (let look = 1; look <= LOOKS.times; look++) {
    const seen = await api.get<Ended>(path, { pid }).catch((thrown: unknown) => asError(thrown));
    if (seen instanceof Error) return { notice: `the outcome of the program cannot be read: ${seen.message}` };
    if (Number(seen.exited) === 1) {
      return {
        ...(seen.exitcode === undefined ? {} : { exit_code: seen.exitcode }),
        ...(seen.signal === undefined ? {} : { signal: seen.signal }),
        ...(seen['out-data'] ? { out: fencedOutput(seen['out-data']) } : {}),
        ...(seen['err-data'] ? { err: fencedOutput(seen['err-data']) } : {}),
      };
    }
    await sleep(LOOKS.pauseMs);
  }
  return { notice: `process ${pid} still runs in the guest, so its exit code is unknown` };
}
