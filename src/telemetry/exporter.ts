import { faultOf } from '../core/errors/fault.ts';
import type { Log } from '../core/log.ts';
import { otlpBody } from './otlp.ts';
import type { TraceSettings } from './settings.ts';
import type { EndedSpan } from './tracer.ts';

/** Least time (ms) between two warnings, so that an unreachable collector does not fill the log. */
const WARN_EVERY_MS = 60_000;
/** Answers after which the same spans are sent again, as OTLP says; any other refusal drops them. */
const TRY_AGAIN = [429, 502, 503, 504];

interface Exporter {
  add(span: EndedSpan): void;
  /** Sends what is left, for at most so long (ms). */
  close(limitMs: number): Promise<void>;
}

/** Sends spans in the background, in batches. No call waits for it or fails because of it: the oldest spans are dropped first. */
export function createExporter(settings: TraceSettings, version: string, log: Log): Exporter {
  const { url, headers, timeoutMs, delayMs, queue, batch, resource } = settings;
  let waiting: EndedSpan[] = [];
  let dropped = 0;
  let sending: Promise<boolean> | undefined;
  let warnedAt = Number.NEGATIVE_INFINITY;
  const closing = new AbortController();
  const timer = setInterval(() => void send(), delayMs);
  timer.unref();

  function warn(fault: string): void {
    if (performance.now() - warnedAt < WARN_EVERY_MS) return;
    warnedAt = performance.now();
    log.warn({ host: new URL(url).host, fault, dropped }, 'sending traces failed');
    dropped = 0;
  }

  /** One batch at a time. @returns whether it left */
  function send(): Promise<boolean> {
    sending ??= sendBatch().finally(() => {
      sending = undefined;
    });
    return sending;
  }

  async function sendBatch(): Promise<boolean> {
    const spans = waiting.splice(0, batch);
    if (spans.length === 0) return true;
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: otlpBody(spans, resource, version),
        redirect: 'error',
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]),
      });
      await answer.body?.cancel();
      if (answer.ok) return true;
      warn(`it answered ${answer.status}`);
      if (!TRY_AGAIN.includes(answer.status)) {
        dropped += spans.length;
        return false;
      }
    } catch (error) {
      warn(faultOf(error));
    }
    waiting = [...spans, ...waiting];
    keepNewest();
    return false;
  }

  function keepNewest(): void {
    const over = waiting.length - queue;
    if (over <= 0) return;
    waiting.splice(0, over);
    dropped += over;
  }

  return {
    add(span) {
      waiting.push(span);
      keepNewest();
      if (waiting.length === batch) void send();
    },
    async close(limitMs) {
      clearInterval(timer);
      const limit = setTimeout(() => closing.abort(), limitMs);
      await sending;
      while (waiting.length > 0 && (await send()));
      clearTimeout(limit);
    },
  };
}
