import { type McpServer, ProtocolError, ProtocolErrorCode, ResourceNotFoundError } from '@modelcontextprotocol/server';
import { clientOf } from '../client.ts';
import type { ChangeFeed } from './changes.ts';
import { nothingAsUndefined } from './index.ts';
import type { ReadContext } from './read.ts';

/** Most subscriptions of a connection: more than a person watches. */
const MAX_SUBSCRIPTIONS = 200;

/**
 * `resources/subscribe` of revisions before 2026-07-28, one set of addresses a connection. Later clients open a stream, which the SDK serves.
 * A caller subscribes to what it may read; the error of reading is the answer where not.
 */
export function registerSubscriptions(server: McpServer, context: ReadContext, changes: ChangeFeed): void {
  const wanted = new Set<string>();
  let end: (() => void) | undefined;
  const tell = (uri: string) => {
    // A client that has left gets nothing.
    if (wanted.has(uri)) void server.server.sendResourceUpdated({ uri }).catch(() => {});
  };
  const stop = () => {
    end?.();
    end = undefined;
  };

  server.server.setRequestHandler('resources/subscribe', async ({ params: { uri } }, ctx) => {
    if (wanted.size >= MAX_SUBSCRIPTIONS)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `This connection has ${MAX_SUBSCRIPTIONS} subscriptions, the most allowed. End one with resources/unsubscribe.`,
      );
    const find = async () => (await import('./read.ts')).findAt(context, uri, clientOf(server, ctx));
    if (!changes.covers(uri) || !(await nothingAsUndefined(find))) throw new ResourceNotFoundError(uri);
    wanted.add(uri);
    end ??= changes.listen(tell);
    return {};
  });
  server.server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => {
    wanted.delete(uri);
    if (wanted.size === 0) stop();
    return {};
  });
  const closed = server.server.onclose;
  server.server.onclose = () => {
    closed?.();
    stop();
  };
}
