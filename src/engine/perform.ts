import { asError, fail, type ProxmoxMcpError } from '../core/errors/errors.ts';
import type { Result } from '../core/result.ts';
import type { JsonObject } from '../core/text/json.ts';
import { nearest } from '../core/text/nearest.ts';
import { type Attributes, isTracing, traced } from '../core/trace.ts';
import { inputOf } from '../operations/by-name.ts';
import { findOperation, nameOfOperation, operationNames } from '../operations/find.ts';
import { change } from './calls/change.ts';
import { control } from './calls/control.ts';
import { Deadline } from './calls/deadline.ts';
import { explained } from './calls/explain.ts';
import { preview, read } from './calls/read.ts';
import { readContext } from './context.ts';
import { readArguments } from './input/arguments.ts';
import { withVmids } from './input/guest-names.ts';
import { checkAvailable, checkRole } from './limits/roles.ts';
import { withScopeDefaults } from './limits/scope.ts';
import type { OpenPorts, Ports, ServerPorts } from './ports.ts';
import { auditCaller, recorded } from './records.ts';
import type { Call, Request } from './types.ts';

/** How far a call has come, for the audit of a refusal. */
interface Seen {
  /** Epoch milliseconds. */
  began: number;
  /** As far as they are read, with the names that the caller gave for guests. */
  args: JsonObject;
  ports?: Ports;
}

/**
 * The only entry point. Finds the operation, checks the arguments, hides their secrets, and takes the path of the operation's effect. Every call
 * leaves a line in the audit, refusals included; if the audit cannot be written, nothing is done.
 */
export function perform(request: Request, server: ServerPorts, open: OpenPorts): Promise<Result> {
  const seen: Seen = { began: server.clock.now(), args: {} };
  if (!isTracing()) return performed(request, seen, server, open);
  // A name that an agent made up stays out of the traces.
  const operation = nameOfOperation(request.name) ?? 'unknown';
  const attributes = { 'proxmox.operation': operation, 'proxmox.channel': request.caller.channel };
  return traced({ name: `perform ${operation}`, kind: 'internal', attributes }, async (span) => {
    try {
      const result = await performed(request, seen, server, open);
      span.set({ 'proxmox.outcome': result.kind });
      if (result.kind === 'approval_required') span.set({ 'proxmox.approval': result.approval.id });
      return result;
    } finally {
      span.set(placeOf(seen.args));
    }
  });
}

async function performed(request: Request, seen: Seen, server: ServerPorts, open: OpenPorts): Promise<Result> {
  await server.audit.ready();
  try {
    const call = await readCall(request, seen.began, server);
    seen.args = call.args;
    const { operation, deadline } = call;
    if (operation.effect === 'read' && call.options.dryRun) return await preview({ ...call, operation }, server);
    const ports = await open();
    seen.ports = ports;
    /** Guests by VMID alone from here on. */
    const args = async () => {
      const resolved = await withVmids(operation, call.args, readContext(call.caller, ports).api);
      seen.args = { ...call.args, ...resolved };
      return resolved;
    };
    if (operation.effect === 'read') {
      await args();
      return await read({ ...call, operation, args: seen.args }, ports);
    }
    if (operation.effect === 'control') {
      const work = async () => control({ ...call, operation, args: await args() }, ports);
      return await (operation.decides ? deadline.race(work) : work());
    }
    return await deadline.race(async () => {
      deadline.waitsFor("Proxmox's answers");
      return change({ ...call, operation, args: await args(), options: { ...call.options, ...deadline.cancelling(call.options) } }, ports);
    });
  } catch (thrown) {
    throw await refused(asError(thrown), request, seen, server);
  } finally {
    server.vault.forget(seen.args);
  }
}

/** Where a call acts, as far as its arguments are read. A name of a guest stays out, and so does what cannot be the name of a node. */
function placeOf({ vmid, node }: JsonObject): Attributes {
  return {
    'proxmox.vmid': typeof vmid === 'number' ? vmid : undefined,
    'proxmox.node': typeof node === 'string' && /^[a-z0-9-]{1,63}$/i.test(node) ? node : undefined,
  };
}

/** @throws what a call is refused with before it needs the cluster */
async function readCall({ name, args: raw, caller, options }: Request, began: number, server: ServerPorts): Promise<Call> {
  const operation = (await findOperation(name)) ?? refuseUnknown(name);
  await checkAvailable(operation, server.settings);
  checkRole(caller, operation);
  if (options.invalid) fail('invalid_arguments', options.invalid);
  const given = withScopeDefaults(operation, await readArguments(operation, raw), caller.scope);
  const args = server.vault.conceal(inputOf(operation), given);
  const wait = typeof args.wait_seconds === 'number' ? args.wait_seconds : options.wait;
  return { operation, args, caller, options, deadline: new Deadline(wait, began, server) };
}

function refuseUnknown(name: string): never {
  const similar = nearest(name, operationNames);
  fail('unknown_operation', `Unknown operation "${name.slice(0, 60)}".`, {
    ...(similar.length > 0 ? { hint: `Did you mean ${similar.join(' or ')}? \`proxmox-mcp tools\` lists all operations.` } : {}),
    details: { operations: [...operationNames] },
  });
}

/** The error that a call ends with, once it is in the log and the audit. */
async function refused(first: ProxmoxMcpError, { name, caller }: Request, seen: Seen, server: ServerPorts): Promise<ProxmoxMcpError> {
  const { audit, clock, log } = server;
  const error = recorded.has(first) || seen.ports === undefined ? first : await explained(first, seen.ports);
  if (error.code === 'internal') log.error({ err: error.cause ?? error, operation: name }, 'a call failed inside the server');
  if (error.code === 'audit_unavailable' || recorded.has(error)) return error;
  const { args, began } = seen;
  const { code, message } = error;
  const line = { kind: 'refused' as const, operation: name.slice(0, 60), ...auditCaller(caller), args, status: 'refused' };
  const written = audit
    .append({ ...line, error: { code, message }, durationMs: clock.now() - began }, { durable: false })
    // The caller must see the first error.
    .catch((err) => log.warn({ err, operation: name, code }, 'a refusal could not be recorded in the audit'));
  // A call whose time is over does not wait for the audit either.
  await (code === 'out_of_time' ? Promise.race([written, clock.sleep(1_000)]) : written);
  return error;
}
