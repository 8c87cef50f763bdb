import { type McpServer, ProtocolError, ProtocolErrorCode, ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server';
import { asError } from '../../core/errors/errors.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { Offered } from '../../operations/available.ts';
import { clientOf } from '../client.ts';
import type { Completions } from './complete.ts';
import { ITEMS, LISTS } from './kinds.ts';
import type { ReadContext } from './read.ts';

/** Loaded at the first read: rendering an answer needs more than a list does. */
const reading = () => import('./read.ts');

const MIME = 'application/json';
const NOT_FOUND = ['guest_not_found', 'approval_unknown', 'invalid_arguments', 'not_possible', 'task_unknown'];

/**
 * The cluster by address, for clients that attach resources. Every read goes through the tools and their entry point. Lists and templates
 * cost nothing at start.
 */
export function registerResources(server: McpServer, context: ReadContext, operations: readonly Offered[], complete: Completions): void {
  const offered = isOffered(operations);

  for (const { name, uri, title, description, tool, args } of LISTS.filter(offered)) {
    const config = { title, description, mimeType: MIME };
    server.registerResource(name, uri, config, (at, ctx) =>
      contents(at, async () => (await reading()).read(context, tool, args, clientOf(server, ctx))),
    );
  }
  for (const kind of ITEMS.filter(offered)) {
    const { name, template, title, description } = kind;
    const at = new ResourceTemplate(template, { list: undefined, complete: { id: complete[kind.ids] } });
    server.registerResource(name, at, { title, description, mimeType: MIME }, (uri, { id }, ctx) =>
      contents(uri, async () => (await reading()).findItem(context, kind, String(id), clientOf(server, ctx))),
    );
  }
}

/** The entries of `resources/list`. */
export function listedResources(operations: readonly Offered[]) {
  return LISTS.filter(isOffered(operations)).map(({ tool: _tool, args: _args, ...entry }) => ({ ...entry, mimeType: MIME }));
}

const isOffered =
  (operations: readonly Offered[]) =>
  ({ tool }: { tool: string }) =>
    operations.some(({ name }) => name === tool);

/** @returns undefined where the caller can read nothing at the address */
export async function nothingAsUndefined(find: () => Promise<JsonObject | undefined>): Promise<JsonObject | undefined> {
  return find().catch((thrown: unknown) => {
    const error = asError(thrown);
    if (NOT_FOUND.includes(error.code)) return undefined;
    throw new ProtocolError(ProtocolErrorCode.InternalError, `${error.message} ${error.hint}`, error.toJSON());
  });
}

async function contents(uri: URL, find: () => Promise<JsonObject | undefined>) {
  const found = await nothingAsUndefined(find);
  if (found === undefined) throw new ResourceNotFoundError(uri.href);
  return { contents: [{ uri: uri.href, mimeType: MIME, text: JSON.stringify(found) }] };
}
