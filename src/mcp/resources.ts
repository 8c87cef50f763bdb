import type { ServerContext } from '@modelcontextprotocol/server';
import { type McpServer, ProtocolError, ProtocolErrorCode, ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server';
import { asError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import type { Offered } from '../operations/available.ts';
import type { CallContext } from './call.ts';
import { clientOf } from './client.ts';

/** The part of it that a read needs. */
type ReadContext = Pick<CallContext, 'engine' | 'caller' | 'demo' | 'notices'>;

const MIME = 'application/json';
const NOT_FOUND = ['guest_not_found', 'approval_unknown', 'invalid_arguments'];

/** Guests and approvals by address, for clients that attach resources. They read through the same entry point as the tools and cost nothing at start. */
export function registerResources(server: McpServer, context: ReadContext, operations: readonly Offered[]): void {
  const has = (name: string) => operations.some((operation) => operation.name === name);

  if (has('get_vm')) {
    server.registerResource(
      'guest',
      new ResourceTemplate('proxmox://guest/{vmid}', { list: undefined }),
      { title: 'Guest', description: 'Status and configuration of one VM or container', mimeType: MIME },
      (uri, { vmid }, ctx) => contents(uri, () => readGuest(context, server, String(vmid), ctx)),
    );
  }
  if (has('list_approvals')) {
    server.registerResource(
      'approval',
      new ResourceTemplate('proxmox://approvals/{id}', { list: undefined }),
      { title: 'Approval', description: 'Plan and state of one approval', mimeType: MIME },
      (uri, { id }, ctx) => contents(uri, () => findApproval(context, server, String(id), ctx)),
    );
  }
}

/** An address has one form: `0x64` and `1e2` do not name guest 100. */
async function readGuest(context: ReadContext, server: McpServer, vmid: string, ctx: ServerContext): Promise<JsonObject | undefined> {
  return /^[1-9]\d{2,8}$/.test(vmid) ? read(context, server, 'get_vm', { vmid: Number(vmid) }, ctx) : undefined;
}

async function contents(uri: URL, find: () => Promise<JsonObject | undefined>) {
  const found = await find().catch((thrown: unknown) => {
    const error = asError(thrown);
    if (NOT_FOUND.includes(error.code)) return undefined;
    throw new ProtocolError(ProtocolErrorCode.InternalError, `${error.message} ${error.hint}`, error.toJSON());
  });
  if (found === undefined) throw new ResourceNotFoundError(uri.href);
  return { contents: [{ uri: uri.href, mimeType: MIME, text: JSON.stringify(found) }] };
}

async function read(context: ReadContext, server: McpServer, operation: string, args: JsonObject, ctx: ServerContext): Promise<JsonObject> {
  const [engine, { renderResult }] = await Promise.all([context.engine(), import('../render/result.ts')]);
  const result = await engine.perform(operation, args, context.caller(clientOf(server, ctx)), { signal: ctx.mcpReq.signal });
  return renderResult(result, { demo: context.demo, notices: context.notices() }).structured;
}

/** Newest first, so the one that was just asked for is on the first page. */
async function findApproval(context: ReadContext, server: McpServer, id: string, ctx: ServerContext): Promise<JsonObject | undefined> {
  let cursor: Json | undefined;
  do {
    const page = await read(context, server, 'list_approvals', cursor === undefined ? {} : { cursor }, ctx);
    const approvals = (page.approvals ?? []) as JsonObject[];
    const found = approvals.find((approval) => approval.approval_id === id);
    if (found) return context.demo ? { simulator: true, ...found } : found;
    cursor = page.next_cursor;
  } while (typeof cursor === 'string');
  return undefined;
}
