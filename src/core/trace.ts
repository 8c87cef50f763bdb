/** Values that a span carries: names, numbers and codes of this server, never a secret and never text of a guest. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** The place of a caller's own span, as W3C Trace Context writes it. It is only a claim: a malformed one is ignored. */
export interface RemoteParent {
  traceparent?: string;
  tracestate?: string;
}

export interface SpanStart {
  name: string;
  kind: 'internal' | 'server' | 'client';
  attributes?: Attributes;
  /** Of the caller; absent: the span around this one. */
  parent?: RemoteParent;
}

interface Span {
  set(attributes: Attributes): void;
  /** The work failed; `code` is an error code or the name of a failure. */
  fail(code: string): void;
}

export interface Tracer {
  /** Runs the work inside a span that ends with it. An error that it throws marks the span, and goes on to the caller. */
  run<T>(start: SpanStart, work: (span: Span) => Promise<T>): Promise<T>;
  /** Runs work that belongs to no call, such as a timer that outlives the call in which it began. */
  outside<T>(work: () => T): T;
  /** 32 hex digits; undefined outside of spans. */
  traceId(): string | undefined;
}

const SILENT: Span = { set() {}, fail() {} };

/** One for the process, so that no function passes it on; absent where no traces are wanted. */
let tracer: Tracer | undefined;

export function setTracer(next: Tracer | undefined): void {
  tracer = next;
}

export function isTracing(): boolean {
  return tracer !== undefined;
}

export function traced<T>(start: SpanStart, work: (span: Span) => Promise<T>): Promise<T> {
  return tracer ? tracer.run(start, work) : work(SILENT);
}

export function untraced<T>(work: () => T): T {
  return tracer ? tracer.outside(work) : work();
}

export function traceId(): string | undefined {
  return tracer?.traceId();
}
