import { defined } from '../../core/defined.ts';
import { asError, fail, type ProxmoxMcpError } from '../../core/errors/errors.ts';
import { isObject, type JsonObject } from '../../core/text/json.ts';
import { decoded } from '../../core/text/text.ts';
import { missingIn } from '../../engine/clusters/join.ts';
import { renderResult } from '../../render/result.ts';
import type { CallContext } from '../call.ts';
import type { ClientInfo } from '../client.ts';
import { ITEMS, type ItemKind, LISTS } from './kinds.ts';

/** The part of a call's context that a read needs. */
export type ReadContext = Pick<CallContext, 'engine' | 'caller' | 'demo' | 'notices'>;

/** The answer of a reading tool, with its lists as objects. */
export async function read(context: ReadContext, tool: string, args: JsonObject, client: ClientInfo): Promise<JsonObject> {
  const engine = await context.engine();
  const result = await engine.perform(tool, args, context.caller(client));
  return renderResult(result, { demo: context.demo, notices: context.notices() }).structured;
}

/** The list or item at an address; undefined where there is none. */
export async function findAt(context: ReadContext, uri: string, client: ClientInfo): Promise<JsonObject | undefined> {
  const list = LISTS.find((one) => one.uri === uri);
  if (list) return read(context, list.tool, list.args, client);
  const item = ITEMS.find(({ template }) => uri.startsWith(template.replace('{id}', '')));
  return item && findItem(context, item, uri.slice(item.template.length - '{id}'.length), client);
}

/** One item by its id; undefined where there is none. */
export async function findItem(context: ReadContext, kind: ItemKind, id: string, client: ClientInfo): Promise<JsonObject | undefined> {
  // A UPID in an address may be percent-encoded.
  const name = decoded(id);
  const args = kind.args(name);
  if (args === undefined) return undefined;
  const { pick } = kind;
  if (pick === undefined)
    return read(context, kind.tool, args, client).catch((thrown) => Promise.reject(withAddresses(asError(thrown), kind)));
  const pages: JsonObject[] = [args];
  let notice: string | undefined;
  for (const page of pages) {
    const answer = await read(context, kind.tool, page, client);
    const found = pick(answer, name);
    if (found) return { ...(context.demo ? { simulator: true } : {}), ...defined({ cluster: page.cluster }), ...found };
    notice ??= missingIn(answer);
    pages.push(...pagesAfter(page, answer));
  }
  return notice === undefined ? undefined : fail('unreachable', notice);
}

/** An address has no parameter `cluster`: one that several clusters have is told apart by its id. */
function withAddresses(error: ProxmoxMcpError, { template }: ItemKind): ProxmoxMcpError {
  const { candidates } = error.details ?? {};
  if (error.code !== 'ambiguous' || !Array.isArray(candidates)) return error;
  const ids = candidates.flatMap((one) => (isObject(one) && one.cluster !== undefined ? [`${one.cluster}:${one.vmid}`] : []));
  return error.with({ hint: `Read one of ${ids.map((id) => template.replace('{id}', id)).join(', ')}.` });
}

/** The next page of the list; where several clusters answered, that of each. */
function pagesAfter(page: JsonObject, { next_cursor, by_cluster = {} }: JsonObject): JsonObject[] {
  const next = (cursor: unknown, more: JsonObject = {}) => (typeof cursor === 'string' ? [{ ...page, ...more, cursor }] : []);
  const each = Object.entries(by_cluster as Record<string, JsonObject>);
  return [...next(next_cursor), ...each.flatMap(([cluster, rest]) => next(rest.next_cursor, { cluster }))];
}
