import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

interface KeyValue {
  key: string;
  value: { stringValue?: string; intValue?: string; doubleValue?: number };
}

/** A span as the collector reads it from OTLP. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code?: number; message?: string };
  attributes: Record<string, string | number>;
}

export interface Collector {
  url: string;
  spans: ReceivedSpan[];
  /** Attributes of the resource in the last request. */
  resource(): Record<string, string | number>;
  requests: { url: string; headers: IncomingHttpHeaders; body: string }[];
  /** Answers of the next requests; 200 once there are none left. */
  answers: number[];
  close(): Promise<void>;
}

/** A receiver of OTLP over HTTP on loopback. It accepts what opentelemetry-proto v1 describes, as JSON, and nothing else. */
export async function startCollector(): Promise<Collector> {
  const spans: ReceivedSpan[] = [];
  const requests: Collector['requests'] = [];
  const answers: number[] = [];
  let resource: Record<string, string | number> = {};
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    requests.push({ url: request.url ?? '', headers: request.headers, body });
    const status = answers.shift() ?? 200;
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    if (status !== 200) return;
    for (const one of JSON.parse(body).resourceSpans) {
      resource = plain(one.resource.attributes);
      for (const scope of one.scopeSpans) for (const span of scope.spans) spans.push({ ...span, attributes: plain(span.attributes) });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    answers,
    resource: () => resource,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function plain(attributes: KeyValue[]): Record<string, string | number> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.doubleValue ?? Number(value.intValue)]));
}
