import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { defined } from '../core/defined.ts';
import { ProxmoxMcpError } from '../core/errors/errors.ts';
import type { Attributes, RemoteParent, SpanStart, Tracer } from '../core/trace.ts';
import type { Sampler } from './settings.ts';

/** A span that ended. */
export interface EndedSpan {
  traceId: string;
  spanId: string;
  parentId?: string;
  traceState?: string;
  name: string;
  kind: SpanStart['kind'];
  /** Epoch milliseconds, with fractions. */
  start: number;
  end: number;
  attributes: Record<string, string | number>;
  /** Error code of what failed. */
  error?: string;
}

/** The span in which code runs, or the caller's. */
interface Place {
  traceId: string;
  spanId: string;
  sampled: boolean;
  traceState?: string;
}

/** Spans of this process. @param onEnd gets each kept span when it ends */
export function createTracer(sampler: Sampler, onEnd: (span: EndedSpan) => void): Tracer {
  const places = new AsyncLocalStorage<Place | undefined>();

  function placeFor(given: RemoteParent | undefined): { place: Place; parentId?: string } {
    const parent = remotePlace(given) ?? places.getStore();
    const traceId = parent?.traceId ?? randomBytes(16).toString('hex');
    const isOurs = parent !== undefined && parent === places.getStore();
    const sampled = isOurs || (parent && sampler.followsParent) ? parent.sampled : isKept(traceId, sampler.ratio);
    const place = { traceId, spanId: randomBytes(8).toString('hex'), sampled, ...defined({ traceState: parent?.traceState }) };
    return { place, ...defined({ parentId: parent?.spanId }) };
  }

  return {
    async run({ name, kind, attributes = {}, parent }, work) {
      const { place, parentId } = placeFor(parent);
      const kept = new Map<string, string | number>();
      const set = (more: Attributes) => {
        for (const [key, value] of Object.entries(more)) if (value !== undefined) kept.set(key, value);
      };
      let error: string | undefined;
      set(attributes);
      // The system's clock may be set during the work, so it gives the start only. The monotonic one gives the length.
      const start = Date.now();
      const began = performance.now();
      try {
        return await places.run(place, () => work({ set, fail: (code) => (error = code) }));
      } catch (thrown) {
        error ??= thrown instanceof ProxmoxMcpError ? thrown.code : thrown instanceof Error ? thrown.name : 'unknown';
        throw thrown;
      } finally {
        if (place.sampled) {
          const { sampled: _kept, ...ids } = place;
          const end = start + performance.now() - began;
          if (error !== undefined) set({ 'error.type': error });
          onEnd({ ...ids, ...defined({ parentId, error }), name, kind, start, end, attributes: Object.fromEntries(kept) });
        }
      }
    },
    outside: (work) => places.run(undefined, work),
    traceId: () => places.getStore()?.traceId,
  };
}

/** https://www.w3.org/TR/trace-context: a malformed parent is ignored; a later version is read as far as it is known. */
function remotePlace({ traceparent, tracestate }: RemoteParent = {}): Place | undefined {
  const [, version, traceId, spanId, flags, more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(traceparent?.trim() ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const traceState = tracestate !== undefined && /^[\x20-\x7e]{1,512}$/.test(tracestate) ? tracestate : undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags ?? '0', 16) & 1) === 1, ...defined({ traceState }) };
}

/** By the last 56 bits of the id, which are random: processes with the same ratio keep the same traces. */
function isKept(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-14), 16) / 2 ** 56 < ratio;
}
