import { defined } from '../core/defined.ts';
import type { EndedSpan } from './tracer.ts';

/** SpanKind of opentelemetry-proto v1. */
const KIND = { internal: 1, server: 2, client: 3 } as const;
const STATUS_ERROR = 2;

/** The body of `POST /v1/traces` as JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids in hex, 64-bit numbers as text). */
export function otlpBody(spans: readonly EndedSpan[], resource: Readonly<Record<string, string>>, version: string): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: keyValues(resource) },
        scopeSpans: [{ scope: { name: 'proxmox-mcp', version }, spans: spans.map(spanBody) }],
      },
    ],
  });
}

function spanBody({ traceId, spanId, parentId, traceState, name, kind, start, end, attributes, error }: EndedSpan) {
  return {
    traceId,
    spanId,
    ...defined({ parentSpanId: parentId, traceState }),
    name,
    kind: KIND[kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(end),
    attributes: keyValues(attributes),
    status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
  };
}

function keyValues(values: Readonly<Record<string, string | number>>) {
  return Object.entries(values).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: string | number) {
  if (typeof value === 'string') return { stringValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** @param milliseconds epoch, with fractions of which microseconds are kept */
function nanoseconds(milliseconds: number): string {
  return `${BigInt(Math.round(milliseconds * 1000)) * 1000n}`;
}
