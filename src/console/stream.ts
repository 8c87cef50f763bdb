import type { LiveFeed } from './live.ts';

/** Server-sent events. Read with fetch by the page, because EventSource can send no header. Ends with the session, and when the page goes. */
export function liveStream(feed: LiveFeed, gone: AbortSignal, isLoggedIn: () => Promise<boolean>): Response {
  const encoder = new TextEncoder();
  let stop = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let open = true;
      let last = Promise.resolve();
      const write = (event: string, data: unknown) =>
        controller.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
      const unsubscribe = feed.subscribe(({ event, data }) => {
        // One after the other, so that an older state never overtakes a newer one.
        last = last.then(async () => {
          // A store that does not answer says nothing about the session: the page is not told that it ended, and comes back by itself.
          const loggedIn = await isLoggedIn().catch(() => undefined);
          if (!open) return;
          if (loggedIn) return write(event, data);
          if (loggedIn === false) write('signed_out', {});
          stop();
          controller.close();
        });
      });
      stop = () => {
        open = false;
        unsubscribe();
      };
      gone.addEventListener('abort', () => stop(), { once: true });
    },
    cancel: () => stop(),
  });
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' } });
}
