import type { JsonObject } from '../../core/text/json.ts';
import { renderResult } from '../../render/result.ts';
import type { CallContext } from '../call.ts';
import type { ClientInfo } from '../client.ts';
import { ITEMS, type ItemKind, LISTS } from './kinds.ts';

/** The part of it that a read needs. */
export type ReadContext = Pick<CallContext, 'engine' | 'caller' | 'demo' | 'notices'>;

/** The answer of a reading tool, with its lists as objects. */
export async function read(context: ReadContext, tool: string, args: JsonObject, client: ClientInfo): Promise<JsonObject> {
  const engine = await context.engine();
  const result = await engine.perform(tool, args, context.caller(client));
  return renderResult(result, { demo: context.demo, notices: context.notices() }).structured;
}

/** The thing at an address; undefined where there is nothing. */
export async function findAt(context: ReadContext, uri: string, client: ClientInfo): Promise<JsonObject | undefined> {
  const list = LISTS.find((one) => one.uri === uri);
  if (list) return read(context, list.tool, list.args, client);
  const item = ITEMS.find(({ template }) => uri.startsWith(template.replace('{id}', '')));
  return item && findItem(context, item, uri.slice(item.template.length - '{id}'.length), client);
}

/** One thing by its id; undefined where there is none. */
export async function findItem(context: ReadContext, kind: ItemKind, id: string, client: ClientInfo): Promise<JsonObject | undefined> {
  const name = decoded(id);
  const args = kind.args(name);
  if (args === undefined) return undefined;
  const { pick } = kind;
  if (pick === undefined) return read(context, kind.tool, args, client);
  for (let page: JsonObject = args; ; ) {
    const answer = await read(context, kind.tool, page, client);
    const found = pick(answer, name);
    if (found) return context.demo ? { simulator: true, ...found } : found;
    if (typeof answer.next_cursor !== 'string') return undefined;
    page = { ...args, cursor: answer.next_cursor };
  }
}

/** A UPID in an address may be percent-encoded. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
