import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Clock } from '../core/clock.ts';
import type { Engine } from '../engine/types.ts';
import { approvalView } from '../render/approval-view.ts';
import { problemOf } from './read.ts';
import type { Live, Problem } from './wire.ts';

type LiveEvent = { event: 'approvals'; data: Live } | { event: 'problem'; data: Problem } | { event: 'tick'; data: { now: number } };

interface LiveFeed {
  /** Sends the present state to the listener, at once and after every change, until the returned function is called. */
  subscribe(listener: (event: LiveEvent) => void): () => void;
  close(): void;
}

/**
 * Polls the store while pages are open, and sends the changes to each of them. Polling leaves no line in the audit.
 * @param pollMs pause between two looks
 */
export function createLiveFeed(engine: Pick<Engine, 'watch'>, clock: Clock, pollMs: number): LiveFeed {
  const listeners = new Set<(event: LiveEvent) => void>();
  let timer: NodeJS.Timeout | undefined;
  let known: { text: string; event: LiveEvent } | undefined;
  let looking = false;

  async function look(): Promise<void> {
    if (looking) return;
    looking = true;
    clearTimeout(timer);
    try {
      const event = await current();
      const text = JSON.stringify(event.event === 'approvals' ? { ...event.data, now: 0 } : event);
      const news = text !== known?.text;
      known = { text, event };
      for (const listener of listeners) listener(news ? event : { event: 'tick', data: { now: clock.now() } });
    } finally {
      looking = false;
      if (listeners.size > 0) timer = setTimeout(() => void look(), pollMs);
      else known = undefined;
    }
  }

  async function current(): Promise<LiveEvent> {
    try {
      const { pending, total, recent } = await engine.watch();
      const data = { now: clock.now(), pending: pending.map(approvalView), total, recent: recent.map(approvalView) };
      return { event: 'approvals', data };
    } catch (thrown) {
      return { event: 'problem', data: problemOf(thrown) };
    }
  }

  return {
    subscribe(listener) {
      listeners.add(listener);
      if (known) listener(known.event);
      else void look();
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearTimeout(timer);
        known = undefined;
      };
    },
    close() {
      listeners.clear();
      clearTimeout(timer);
    },
  };
}

/** Server-sent events, which end with the session or the page. The page reads them with fetch, because EventSource can send no header. */
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
          // A store that does not answer says nothing about the session, so the page is not signed out and reconnects.
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
