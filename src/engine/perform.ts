import type { Caller } from '../core/caller.ts';
import { defined } from '../core/defined.ts';
import { asError, fail, ProxmoxMcpError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Result } from '../core/result.ts';
import { inputOf } from '../operations/by-name.ts';
import type { ControlOperation, Operation, ReadOperation } from '../operations/define.ts';
import { findOperation, operations } from '../operations/index.ts';
import { approveOrJoin } from './approvals/approve.ts';
import { redeem } from './approvals/redeem.ts';
import { checkMatches, denyApproval, expireApprovals, visibleApproval } from './approvals/requests.ts';
import { change, dryRun } from './change.ts';
import { readContext } from './context.ts';
import { Deadline } from './deadline.ts';
import { explained } from './explain.ts';
import { readArguments } from './input/arguments.ts';
import { withPlaceholders, withVmids } from './input/guest-names.ts';
import { checkAvailable, checkRole, seesAllApprovals } from './limits/roles.ts';
import { withScopeDefaults } from './limits/scope.ts';
import type { Ports } from './ports.ts';
import { auditCaller, auditTarget, recorded } from './records.ts';
import { adoptOrphans } from './runs/adopt.ts';
import { openLine, openRunsOf } from './runs/late.ts';
import { taskPorts } from './runs/tasks.ts';
import type { ChangeCall, PerformOptions } from './types.ts';

/**
 * The only entry point. Finds the operation, checks the arguments, hides their secrets, and takes the path of the operation's effect. Every call
 * leaves a line in the audit, refusals included; if the audit cannot be written, nothing is done.
 */
export async function perform(name: string, rawArgs: unknown, caller: Caller, options: PerformOptions, ports: Ports): Promise<Result> {
  const began = ports.clock.now();
  let args: JsonObject = {};
  /** With the names by which guests were given. */
  let asked: JsonObject = {};
  await ports.audit.ready();
  try {
    const operation =
      findOperation(name) ??
      fail('unknown_operation', `Unknown operation "${name.slice(0, 60)}".`, {
        details: { operations: operations.map((o) => o.name) },
      });
    checkAvailable(operation, ports.settings);
    checkRole(caller, operation);
    if (options.invalid) fail('invalid_arguments', options.invalid);
    const given = withScopeDefaults(operation, readArguments(operation, rawArgs), caller.scope);
    args = ports.vault.conceal(inputOf(operation), given);
    asked = args;
    const reader = async () => (await readContext(ports, contextOf(caller, options))).api;
    if (operation.effect === 'read') {
      args = options.dryRun ? withPlaceholders(operation, args) : await withVmids(operation, args, reader);
      return await read(operation, { ...asked, ...args }, caller, options, ports, began);
    }
    if (operation.effect === 'control') {
      args = await withVmids(operation, args, reader);
      const wait = typeof args.wait_seconds === 'number' ? args.wait_seconds : options.wait;
      const deadline = new Deadline(wait, began, ports);
      const work = () => control(operation, args, caller, options, deadline, ports);
      return await (operation.decides ? deadline.race(work) : work());
    }
    const deadline = new Deadline(options.wait, began, ports);
    return await deadline.race(async () => {
      deadline.waitsFor("Proxmox's answers");
      args = await withVmids(operation, args, reader);
      return changeOrShow({ operation, args, caller, options: { ...options, ...deadline.cancelling(options) }, deadline }, began, ports);
    });
  } catch (thrown) {
    const first = asError(thrown);
    const error = recorded.has(first) ? first : await explained(first, ports);
    if (error.code === 'internal') ports.log.error({ err: error.cause ?? error, operation: name }, 'a call failed inside the server');
    if (error.code === 'audit_unavailable' || recorded.has(error)) throw error;
    const written = ports.audit
      .append(
        {
          kind: 'refused',
          operation: name.slice(0, 60),
          ...auditCaller(caller),
          args: { ...asked, ...args },
          status: 'refused',
          error: { code: error.code, message: error.message },
          durationMs: ports.clock.now() - began,
        },
        { durable: false },
      )
      // The caller must see the first error.
      .catch((err) => ports.log.warn({ err, operation: name, code: error.code }, 'a refusal could not be recorded in the audit'));
    // A call whose time is over does not wait for the audit either.
    await (error.code === 'out_of_time' ? Promise.race([written, ports.clock.sleep(1_000)]) : written);
    throw error;
  } finally {
    ports.vault.forget(args);
  }
}

async function changeOrShow(call: ChangeCall, began: number, ports: Ports): Promise<Result> {
  const { operation, args, caller, options } = call;
  if (options.dryRun) {
    const result = await dryRun(call, ports);
    await ports.audit.append(
      {
        kind: 'dry_run',
        operation: operation.name,
        ...auditCaller(caller),
        args,
        ...(result.kind === 'dry_run' ? auditTarget(result.plan) : {}),
        status: 'ok',
        durationMs: ports.clock.now() - began,
      },
      { durable: false },
    );
    return result;
  }
  call.deadline.waitsFor('the store');
  await adoptOrphans(ports);
  if (options.approvalId !== undefined) {
    const approval = await visibleApproval(options.approvalId, caller, ports);
    checkMatches(approval, operation.name, args);
    return redeem(approval, call, ports);
  }
  return change(call, ports);
}

async function read(
  operation: ReadOperation,
  args: JsonObject,
  caller: Caller,
  options: PerformOptions,
  ports: Ports,
  began: number,
): Promise<Result> {
  if (options.dryRun) {
    await ports.audit.append(
      { kind: 'dry_run', operation: operation.name, ...auditCaller(caller), args, status: 'ok' },
      { durable: false },
    );
    return { kind: 'dry_run', plan: emptyPlan(operation), requests: operation.preview(args, ports.settings) };
  }
  const open = typeof args.vmid === 'number' ? await openOutcomes(args.vmid, ports) : [];
  const seen = operation.output.parse(await operation.read(await readContext(ports, contextOf(caller, options)), args)) as JsonObject;
  const output = { ...seen, ...(open.length > 0 ? { open_outcomes: open } : {}) };
  await ports.audit.append(
    { kind: 'read', operation: operation.name, ...auditCaller(caller), args, status: 'ok', durationMs: ports.clock.now() - began },
    { durable: false },
  );
  return { kind: 'done', output };
}

/** Looking at a guest looks also for requests about it whose outcome is unknown. Without a store there are none that this server knows. */
async function openOutcomes(vmid: number, ports: Ports): Promise<string[]> {
  try {
    return (await openRunsOf([vmid], ports)).map(openLine);
  } catch (err) {
    ports.log.warn({ err }, 'the check for requests of unknown outcome failed');
    return [];
  }
}

function contextOf({ scope }: Caller, { signal }: PerformOptions) {
  return { ...(signal ? { signal } : {}), ...(scope ? { scope } : {}) };
}

function emptyPlan(operation: Operation) {
  return {
    operation: operation.name,
    summary: `${operation.title}: reads only`,
    effect: 'read' as const,
    steps: [],
    expected: [],
    choices: [],
    warnings: [],
    undo: 'nothing is changed',
  };
}

/** Thrown through a control operation's `run` to carry a result that is not plain output. */
class Detour {
  readonly result: Result;
  constructor(result: Result) {
    this.result = result;
  }
}

async function control(
  operation: ControlOperation,
  args: JsonObject,
  caller: Caller,
  options: PerformOptions,
  deadline: Deadline,
  ports: Ports,
): Promise<Result> {
  await adoptOrphans(ports);
  try {
    const output = await operation.run(
      {
        caller,
        approvals: {
          list: async (filter) => {
            const [{ cluster }, store] = await Promise.all([ports.api(), ports.store()]);
            await expireApprovals(ports);
            return store.approvals.list({ ...filter, cluster, ...(seesAllApprovals(caller) ? {} : { principal: caller.principal }) });
          },
          approve: async (id, { waitSeconds }) => {
            const approval = await visibleApproval(id, caller, ports);
            if (options.dryRun) throw new Detour({ kind: 'dry_run', plan: approval.plan });
            const approved = findOperation(approval.operation);
            if (!approved || !('plan' in approved)) fail('internal', `Approval ${id} is for an operation that no longer exists.`);
            const wait = waitSeconds ?? options.wait;
            const waiting = { ...options, ...defined({ wait }), ...deadline.cancelling(options) };
            const call = { operation: approved, caller, options: waiting, deadline };
            const result = await approveOrJoin(approval, call, ports);
            if (result.kind !== 'done') throw new Detour(result);
            return { approval_id: id, status: 'succeeded', operation: approval.operation, result: result.output };
          },
          deny: async (id, reason) => {
            const approval = await visibleApproval(id, caller, ports);
            if (options.dryRun) throw new Detour({ kind: 'dry_run', plan: approval.plan });
            const denied = await denyApproval(approval, reason, caller, ports);
            return { approval_id: id, status: denied.status, operation: denied.operation };
          },
        },
        tasks: taskPorts(caller, ports, options.signal),
      },
      args,
    );
    if (!operation.decides)
      await ports.audit.append({ kind: 'read', operation: operation.name, ...auditCaller(caller), args, status: 'ok' }, { durable: false });
    return { kind: 'done', output: operation.output.parse(output) as JsonObject };
  } catch (thrown) {
    if (thrown instanceof Detour) return thrown.result;
    if (thrown instanceof ProxmoxMcpError) throw thrown;
    throw asError(thrown);
  }
}
