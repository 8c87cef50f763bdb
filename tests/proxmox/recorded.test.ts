import { describe, expect, it } from 'vitest';
import { answer, paramsOf, successes, withRecordings } from '../helpers/recorded.ts';
import { openedGate } from './server.ts';

const { client, sent } = withRecordings();
const RECORDINGS = ['transcripts', 'golden-flows', 'breadth-flows'] as const;
/** Hundreds of requests in one test, on a machine that is busy. */
const PATIENT = { timeout: 300_000 };
const dataOf = (body: unknown) => (body as { data?: unknown } | null)?.data;

/** In rows a null stands for what is absent. */
function withoutNulls(data: unknown): unknown {
  if (!Array.isArray(data)) return data;
  return data.map((row) =>
    row === null || typeof row !== 'object' ? row : Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)),
  );
}

describe.each(RECORDINGS)('the answers of %s', (name) => {
  const all = successes(name);
  const reads = all.filter(({ method }) => method === 'GET');
  // The recorder wrote a line of its own in the place of the middle of long logs.
  const whole = reads.filter(
    ({ body, path }) => !path.endsWith('/log') || (dataOf(body) as unknown[]).every((row) => typeof row === 'object'),
  );
  const distinct = [...new Map(whole.map((one) => [`${one.path} ${JSON.stringify(one.body)}`, one])).values()];
  // An upload is not a form, and an empty value does not leave: Proxmox reads it as absent.
  const isForm = ({ path, params }: (typeof all)[number]) => !path.endsWith('/upload') && !params?.some(([, value]) => value === '');
  const changes = all.filter((one) => one.method !== 'GET' && isForm(one));

  it('to reads pass the adapter unchanged', PATIENT, async () => {
    expect(distinct.length).toBeGreaterThan(100);
    for (const exchange of distinct) {
      answer(exchange, sent);
      const { n, path } = exchange;
      const data = await client().get(path, paramsOf(exchange) as Record<string, string>);
      expect(data, `${n} ${path}`).toEqual(withoutNulls(dataOf(exchange.body) ?? null));
      expect(sent.at(-1)?.params, `${n} ${path}`).toEqual((exchange.params ?? []).map(([key, value]) => [key, String(value)]));
    }
  });

  it('to changes give the task that they name, or done, and each recorded request is sent once', PATIENT, async () => {
    expect(changes.length).toBeGreaterThan(50);
    for (const exchange of changes) {
      const { n, method, path } = exchange;
      answer(exchange, sent);
      const before = sent.length;
      const request = { stepId: String(n), method: method as 'POST', path, params: paramsOf(exchange) as Record<string, string> };
      const dispatch = await client().send(openedGate, request);
      const data = dataOf(exchange.body);
      const upid = typeof data === 'string' && data.startsWith('UPID:') ? data : undefined;
      expect(dispatch, `${n} ${path}`).toMatchObject(upid ? { kind: 'task', upid } : { kind: 'done' });
      expect(sent.slice(before), `${n} ${path}`).toEqual([
        {
          method,
          path,
          params: (exchange.params ?? []).map(([key, value]) => [key, String(value)]),
          type: method === 'DELETE' ? undefined : 'application/x-www-form-urlencoded',
        },
      ]);
    }
  });
});
