import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { LiveFeed } from './live.ts';

/** Server-sent events. Read with fetch by the page, because EventSource can send no header. Ends with the session, and when the page goes. */
export function liveStream(c: Context, feed: LiveFeed, isLoggedIn: () => Promise<boolean>): Response {
  // A proxy that collects the answer would hold back the events.
  c.header('X-Accel-Buffering', 'no');
  return streamSSE(c, async (stream) => {
    let unsubscribe = () => {};
    await new Promise<void>((end) => {
      stream.onAbort(end);
      let last = Promise.resolve();
      unsubscribe = feed.subscribe(({ event, data }) => {
        // One after the other, so that an older state never overtakes a newer one.
        last = last.then(async () => {
          // A store that does not answer says nothing about the session: the page is not told that it ended, and comes back by itself.
          const loggedIn = await isLoggedIn().catch(() => undefined);
          if (loggedIn) return void (await stream.writeSSE({ event, data: JSON.stringify(data) }));
          if (loggedIn === false) await stream.writeSSE({ event: 'signed_out', data: '{}' });
          end();
        });
      });
    });
    unsubscribe();
  });
}
