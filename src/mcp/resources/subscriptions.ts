import { type McpServer, ProtocolError, ProtocolErrorCode, ResourceNotFoundError, type ServerContext } from '@modelcontextprotocol/server';
import type { ChangeFeed } from './changes.ts';

/** More than a person watches. */
const MAX_SUBSCRIPTIONS = 200;

/**
 * `resources/subscribe` of revisions before 2026-07-28, one set of addresses a connection. Later clients open a stream, which the SDK serves.
 * @param exists whether the caller may read the address; its error is the answer where not
 */
export function registerSubscriptions(
  server: McpServer,
  changes: ChangeFeed,
  exists: (uri: string, ctx: ServerContext) => Promise<boolean>,
): void {
  const wanted = new Set<string>();
  let end: (() => void) | undefined;
  const tell = (uri: string) => {
    // A client that is gone hears nothing.
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
    if (!(await exists(uri, ctx))) throw new ResourceNotFoundError(uri);
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
