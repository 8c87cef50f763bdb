import { expect, it } from 'vitest';
import type { Who } from '../../src/simulator/access/permissions.ts';
import { certificatesOf } from '../../src/simulator/data.ts';
import { dispatch } from '../../src/simulator/dispatch.ts';
import { compare, newNames } from './compare.ts';
import { differences, type Exchange, readLeftOut, readRecording } from './replay.ts';
import { isCut, openRecordedWorld } from './visibility-world.ts';

const { meta, exchanges } = readRecording('visibility.jsonl.gz');
const world = openRecordedWorld(exchanges, meta.principals);
const names = newNames();
const { byNumber } = readLeftOut('visibility');

function whoIs(token: string): Who {
  const user = token.slice(0, token.indexOf('!'));
  return { token, user, privsep: user !== 'root@pam' };
}

function ask(exchange: Exchange, as = exchange.as) {
  const params = Object.fromEntries((exchange.params ?? []).map(([key, value]) => [key, String(value)]));
  const call = {
    method: exchange.method,
    path: exchange.path,
    params,
    who: whoIs(as),
    fault: undefined,
    certificates: certificatesOf('demo'),
  };
  return dispatch(world, call);
}

/** A list that was cut agrees when the rows that were kept are there and the number is right. */
function compareCut(recorded: unknown[], replayed: unknown[]): string[] {
  const shown = recorded.slice(0, -1);
  const total = shown.length + Number(/\d+/.exec(String(recorded.at(-1)))?.[0]);
  const missing = shown.filter((row) => !replayed.some((other) => compare(newNames(), row, other).length === 0));
  return [
    ...(total === replayed.length ? [] : [`${total} rows → ${replayed.length}`]),
    ...missing.map((row) => `missing: ${JSON.stringify(row)}`),
  ];
}

const isSeries = (rows: unknown[]): rows is { time: number }[] => typeof (rows[0] as { time?: unknown } | undefined)?.time === 'number';

/** Rows of measured figures: how many there are, and which fields the newest one has. */
function compareSeries(recorded: unknown[], replayed: unknown[]): string[] {
  const fields = (row: unknown) =>
    Object.keys(row as object)
      .sort()
      .join(' ');
  const total = recorded.length - 1 + Number(/\d+/.exec(String(recorded.at(-1)))?.[0]);
  return [
    ...compare(newNames(), total, replayed.length, 'rows'),
    ...compare(newNames(), fields(recorded[0]), fields(replayed.at(-1)), 'fields'),
  ];
}

/** Processor, kernel and build were replaced by other words in the recording; an entry that was taken away had left its path behind. */
const REPLACED: Record<string, string[]> = {
  '/nodes/pve/status': ['cpuinfo', 'kversion', 'current-kernel', 'pveversion'],
  '/access/permissions': ['/sdn/zones/localnetwork/vmbr1'],
};

function withoutReplaced({ path }: Exchange, body: Exchange['body']): Exchange['body'] {
  const data = (body as { data?: Record<string, unknown> } | null)?.data;
  const gone = REPLACED[path];
  return gone && data ? { data: Object.fromEntries(Object.entries(data).filter(([key]) => !gone.includes(key))) } : body;
}

function faultsOf(recorded: Exchange): string[] {
  const { status, message, body } = ask(recorded);
  const found = recorded.body as { data?: unknown; changes?: string; total?: number };
  const reply = { status_line: `HTTP/1.1 ${status} ${message}`, content_type: undefined, body: body as Exchange['body'] };
  const list = found.data;
  const plain = { ...recorded, body: withoutReplaced(recorded, recorded.body) };
  const beside = ['changes'].flatMap((key) => compare(names, (found as Record<string, unknown>)[key], body[key], key));
  if (!Array.isArray(list) || !isCut(list.at(-1)))
    return [...beside, ...differences(names, plain, { ...reply, body: withoutReplaced(recorded, reply.body) })];
  if (status !== 200) return [`200 → ${status} ${message}`];
  const shown = (body.data ?? []) as unknown[];
  return [...beside, ...(isSeries(list) ? compareSeries(list, shown) : compareCut(list, shown))];
}

it('each of 48 tokens sees what it saw in Proxmox VE 9.2, and is refused in its words', () => {
  const failed = exchanges
    .filter(({ n }) => !byNumber.has(n))
    .flatMap((exchange) =>
      faultsOf(exchange).map((what) => `#${exchange.n} [${exchange.label}] ${exchange.path} ${JSON.stringify(exchange.params)}: ${what}`),
    );
  expect(failed).toEqual([]);
});

it('leaves out only what is of that machine and of the time before', () => {
  const left = exchanges.filter(({ n }) => byNumber.has(n));
  const told = new Set(left.map(({ n, path }) => `${path}: ${byNumber.get(n)}`));
  expect([...told].sort()).toEqual(['/cluster/log: history', '/cluster/metrics/export: place']);
});

it.each<[string, (data: Record<string, unknown>[]) => unknown[]]>([
  ['a row too many', (data) => [...data, { ...data[0], id: 'qemu/7' }]],
  ['a row too few', (data) => data.slice(1)],
  ['a field too many', (data) => data.map((row) => ({ ...row, pool: 'other' }))],
])('the comparison refuses %s', (_what, change) => {
  const recorded = exchanges.find(({ label, path }) => label === 'vmaudit-pool' && path === '/cluster/resources') as Exchange;
  const body = recorded.body as { data: Record<string, unknown>[] };
  expect(faultsOf({ ...recorded, body: { data: change(body.data) } })).not.toEqual([]);
});
