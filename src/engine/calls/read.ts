import { oncePer } from '../../core/once-per.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Result } from '../../core/result.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { ReadOperation } from '../../operations/define.ts';
import { readContext } from '../context.ts';
import { withPlaceholders } from '../input/guest-names.ts';
import type { Ports, ServerPorts } from '../ports.ts';
import { auditCall } from '../records.ts';
import { openLine, openRunsOf } from '../runs/outcome/late.ts';
import { sharedRead } from '../shared-reads.ts';
import type { Call } from '../types.ts';

/** The dry-run of a read: shows its requests and sends none. */
export async function preview(call: Call<ReadOperation>, { audit }: ServerPorts): Promise<Result> {
  const { operation } = call;
  const args = { ...call.args, ...withPlaceholders(operation, call.args) };
  await audit.append({ kind: 'dry_run', ...auditCall({ ...call, args }), status: 'ok' }, { durable: false });
  return { kind: 'dry_run', plan: emptyPlan(operation), requests: operation.preview(args) };
}

export async function read(call: Call<ReadOperation>, ports: Ports): Promise<Result> {
  const { operation, args, deadline } = call;
  const output = await sharedRead(call, ports, async () => {
    const open = typeof args.vmid === 'number' ? await openOutcomes(args.vmid, ports) : [];
    const seen = checked(await operation.read(readContext(call.caller, ports), args), operation);
    return open.length > 0 ? { ...seen, open_outcomes: open } : seen;
  });
  await ports.audit.append({ kind: 'read', ...auditCall(call), status: 'ok', durationMs: deadline.elapsedMs }, { durable: false });
  return { kind: 'done', output };
}

/** An answer as its schema allows it. An operation that gives the very same answer again gets the same one, which none may change. */
const checked = oncePer((answer: object, { output }: ReadOperation) => output.parse(answer) as JsonObject);

/** Requests for a guest whose outcome is unknown. Where the store cannot be read, the answer says so and not "none". */
async function openOutcomes(vmid: number, ports: Ports): Promise<string[]> {
  try {
    return (await openRunsOf([vmid], ports)).map(openLine);
  } catch (err) {
    ports.log.warn({ err }, 'the check for requests of unknown outcome failed');
    return ['unknown whether Proxmox may still execute an earlier request for this guest, because the store cannot be read'];
  }
}

function emptyPlan({ name, title }: ReadOperation): Plan {
  return {
    operation: name,
    summary: `${title}: reads only`,
    effect: 'read',
    steps: [],
    expected: [],
    choices: [],
    warnings: [],
    undo: 'nothing is changed',
  };
}
