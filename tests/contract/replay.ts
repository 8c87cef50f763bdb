import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { SEED_TOKENS, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { trusting } from '../simulator/client.ts';
import { BREADTH_TOKENS, seedBreadth } from './breadth-world.ts';
import { compare, type Names, newNames, translate } from './compare.ts';

export interface Exchange {
  n: number;
  flow?: string;
  label: string;
  as: string;
  method: string;
  path: string;
  params: [string, string | number][] | null;
  status_line: string;
  content_type?: string | null;
  body: { data?: unknown; errors?: Record<string, string>; message?: string; total?: number } | string | null;
  ms?: number;
}

export interface Reply {
  status_line: string;
  content_type: string | undefined;
  body: Exchange['body'];
}

interface LeftOut {
  /** Exchange numbers: `12`, `40-43`. */
  n: string;
  /** Key of the explanations. */
  because: string;
}

const FOLDER = new URL('../recordings/', import.meta.url);

function read(name: string): string {
  const bytes = readFileSync(fileURLToPath(new URL(name, FOLDER)));
  return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

/** Who the tokens of a recording are, in words, and its exchanges in order. */
export function readRecording(file: string): { meta: { principals: Record<string, string> }; exchanges: Exchange[] } {
  const [head = '', ...lines] = read(file).trim().split('\n');
  const { meta } = JSON.parse(head) as { meta: { principals: Record<string, string> } };
  return { meta, exchanges: lines.map((line) => JSON.parse(line) as Exchange) };
}

export type Recording = 'transcripts' | 'golden-flows' | 'breadth-flows';

export const readExchanges = (name: Recording): Exchange[] => readRecording(`${name}.jsonl`).exchanges;

/** Numbers that are not replayed, with the reason. */
export function readLeftOut(name: string): { reasons: Record<string, string>; byNumber: Map<number, string> } {
  const file = JSON.parse(read('left-out.json')) as {
    reasons: Record<string, string>;
    [recording: string]: LeftOut[] | Record<string, string>;
  };
  const byNumber = new Map<number, string>();
  for (const { n, because } of file[name] as LeftOut[]) {
    for (const part of n.split(/,\s*/)) {
      const [from = 0, to = from] = part.split('-').map(Number);
      for (let number = from; number <= to; number += 1) {
        if (byNumber.has(number)) throw new Error(`${name} ${number} is left out twice`);
        byNumber.set(number, because);
      }
    }
  }
  return { reasons: file.reasons, byNumber };
}

const START = Date.UTC(2026, 10, 22, 22, 41, 37);

/** A simulator on a clock of the test's own, and one client for it. */
export interface Stage {
  simulator: Simulator;
  names: Names;
  now(): number;
  /** When the last exchange that changes something was sent. */
  mutatedAt: number;
  /** Lets simulated time pass, ms. */
  pass(ms: number): void;
  send(exchange: Pick<Exchange, 'as' | 'label' | 'method' | 'path' | 'params' | 'ms'>): Promise<Reply>;
  /** Secrets of tokens made on the way. */
  secrets: Map<string, string>;
  /** Sends as root, waits for the task if one was started, and throws unless all went well. `recorded`: the UPID it stands for. */
  setUp(method: string, path: string, params?: Record<string, string>, recorded?: string): Promise<void>;
  /** Is there such a guest? */
  exists(vmid: number): Promise<boolean>;
  close(): Promise<void>;
}

export async function openStage(recording: Recording = 'transcripts'): Promise<Stage> {
  let now = START;
  // The wider recordings were made on an installation of their own.
  const seed = recording === 'breadth-flows' ? seedBreadth : 'recording';
  const simulator = await startSimulator({ file: ':memory:', seed, now: () => now });
  const tokens = [...Object.values(SEED_TOKENS), ...(recording === 'breadth-flows' ? BREADTH_TOKENS : [])];
  const secrets = new Map(tokens.map(({ id, secret }): [string, string] => [id, secret]));
  const names = newNames();
  const pass = (ms: number) => {
    now += ms;
  };
  const sendOne: Stage['send'] = async (exchange) => {
    // What took seconds there waits for the clock here.
    const ticking = (exchange.ms ?? 0) > 900 ? setInterval(() => pass(250), 2) : undefined;
    try {
      return await send(simulator, authorization(exchange, secrets), exchange);
    } finally {
      clearInterval(ticking);
    }
  };
  const asRoot = (method: string, path: string, params: Record<string, string> = {}) =>
    sendOne({ as: SEED_TOKENS.recordingFull.id, label: '', method, path, params: Object.entries(params) });
  const finish = async (upid: string): Promise<void> => {
    for (let tries = 0; tries < PATIENCE; tries += 1) {
      const { body } = await asRoot('GET', `/nodes/pve/tasks/${upid}/status`);
      const { status, exitstatus } = (body as { data: { status: string; exitstatus?: string } }).data;
      if (status === 'stopped' && exitstatus !== 'OK') throw new Error(`set-up task ${upid}: ${exitstatus}`);
      if (status === 'stopped') return;
      pass(200);
    }
    throw new Error(`set-up task ${upid} does not end`);
  };
  return {
    simulator,
    secrets,
    names,
    now: () => now,
    mutatedAt: now,
    pass,
    send: sendOne,
    async setUp(method, path, params = {}, recorded) {
      const reply = await asRoot(method, path, params);
      const data = (reply.body as { data?: unknown } | null)?.data;
      if (!reply.status_line.includes(' 200 '))
        throw new Error(`set-up ${method} ${path}: ${reply.status_line} ${JSON.stringify(reply.body)}`);
      const token = data as { 'full-tokenid'?: string; value?: string } | null;
      if (token?.['full-tokenid'] && token.value) secrets.set(token['full-tokenid'], token.value);
      if (typeof data !== 'string' || !data.startsWith('UPID:')) return;
      if (recorded) compare(names, recorded, data);
      await finish(data);
    },
    exists: async (vmid) => (await asRoot('GET', '/cluster/nextid', { vmid: String(vmid) })).status_line.includes(' 400 '),
    close: () => simulator.close(),
  };
}

/** The header of a recorded principal; the first exchanges describe theirs in words. */
function authorization({ as, label }: Pick<Exchange, 'as' | 'label'>, secrets: Map<string, string>): string | undefined {
  const root = SEED_TOKENS.recordingFull;
  if (as === 'none') return undefined;
  if (as === 'see label') {
    if (label === 'wrong token secret') return `PVEAPIToken=${root.id}=00000000-0000-4000-8000-000000000000`;
    if (label === 'unknown token id') return `PVEAPIToken=root@pam!unknown=${root.secret}`;
    if (label === 'unknown user') return `PVEAPIToken=ghost@pve!tok=${root.secret}`;
    if (label === 'malformed token (no secret)') return `PVEAPIToken=${root.id}`;
    if (label === 'malformed token (not a uuid)') return `PVEAPIToken=${root.id}=secret`;
    return `Bearer ${root.secret}`;
  }
  return `PVEAPIToken=${as}=${secrets.get(as) ?? 'unknown'}`;
}

/** Bodies that the recordings describe by label only. */
const RAW_BODIES: Record<string, { type: string; body: string }> = {
  'json body instead of form': { type: 'application/json', body: JSON.stringify({ vmid: 192, bogus: 1 }) },
  'json body, invalid': { type: 'application/json', body: '{"vmid":' },
  'xml content type': { type: 'text/xml', body: '<vmid/>' },
  'upload iso': upload('tiny.iso', 5),
  'upload iso as the token': upload('mcp-tiny.iso', 65_536),
  'upload iso as root': upload('mcp-tiny.iso', 65_536),
  'upload an ISO': upload('up.iso', 1_000),
  'upload it again': upload('up.iso', 1_000),
  'upload with a bad extension': upload('up.txt', 1_000),
  'upload an import image that is none': upload('up.qcow2', 1_000, 'import'),
};

function upload(filename: string, size: number, content = 'iso'): { type: string; body: string } {
  const part = (head: string, content: string) => `--edge\r\nContent-Disposition: form-data; ${head}\r\n\r\n${content}\r\n`;
  const body = `${part('name="content"', content)}${part(`name="filename"; filename="${filename}"`, 'x'.repeat(size))}--edge--\r\n`;
  return { type: 'multipart/form-data; boundary=edge', body };
}

function send(
  simulator: Simulator,
  header: string | undefined,
  exchange: Pick<Exchange, 'label' | 'method' | 'path' | 'params'>,
): Promise<Reply> {
  const raw = RAW_BODIES[exchange.label];
  const form = new URLSearchParams((exchange.params ?? []).map(([key, value]): [string, string] => [key, String(value)])).toString();
  const inBody = exchange.method === 'POST' || exchange.method === 'PUT';
  const body = raw?.body ?? (inBody ? form : '');
  const prefix = exchange.path.startsWith('/api2/') ? '' : '/api2/json';
  const path = encodeURI(exchange.path).replaceAll('%25', '%');
  const query = !inBody && form !== '' ? `?${form}` : '';
  const headers: Record<string, string> = {};
  if (header !== undefined) headers.Authorization = header;
  if (body !== '') headers['Content-Type'] = raw?.type ?? 'application/x-www-form-urlencoded';
  if (inBody) headers['Content-Length'] = String(Buffer.byteLength(body));
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      `${simulator.url}${prefix}${path}${query}`,
      { method: exchange.method, headers, ...trusting(simulator.ca) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          const type = response.headers['content-type'];
          const parsed = text === '' ? null : type?.startsWith('application/json') ? (JSON.parse(text) as Exchange['body']) : text;
          resolve({ status_line: `HTTP/1.1 ${response.statusCode} ${response.statusMessage}`, content_type: type, body: parsed });
        });
      },
    );
    outgoing.setTimeout(ANSWER_WITHIN, () => outgoing.destroy(new Error(`no answer to ${exchange.method} ${exchange.path}`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Real milliseconds: an answer that waits for a stopped clock never comes. */
const ANSWER_WITHIN = 4_000;

const PATIENCE = 1_000;

/** Sends one recorded exchange and says how the answer differs; waits where the recording had waited. */
export async function replay(stage: Stage, recorded: Exchange): Promise<string[]> {
  const { names } = stage;
  const translated: Exchange = {
    ...recorded,
    path: translate(names, recorded.path),
    params:
      recorded.params?.map(([key, value]): [string, string] => [
        key,
        key === 'pid' ? (names.forward.get(`pid ${value}`) ?? String(value)) : translate(names, String(value)),
      ]) ?? null,
  };
  // Labels of polls say how long after the change they came.
  const after = / t=([\d.]+)s /.exec(recorded.label)?.[1];
  stage.pass(after === undefined ? 20 : Math.max(0, stage.mutatedAt + Number(after) * 1_000 - stage.now()));
  if (recorded.method !== 'GET') stage.mutatedAt = stage.now();
  let reply = await stage.send(translated);
  if (/\/tasks\/[^/]+\/status$/.test(recorded.path) && stateOf(recorded.body) === 'stopped') {
    for (let tries = 0; stateOf(reply.body) === 'running' && tries < PATIENCE; tries += 1) {
      stage.pass(100);
      reply = await stage.send(translated);
    }
  }
  const pid = (body: Exchange['body']) => (body as { data?: { pid?: number } } | null)?.data?.pid;
  if (recorded.path.endsWith('/agent/exec')) names.forward.set(`pid ${pid(recorded.body)}`, String(pid(reply.body)));
  return differences(names, recorded, reply);
}

const stateOf = (body: Exchange['body']): unknown => (body as { data?: { status?: string } } | null)?.data?.status;

export function differences(names: Names, recorded: Exchange, reply: Reply): string[] {
  const found: string[] = [];
  if (!/<[a-z-]+>/.test(recorded.status_line)) found.push(...compare(names, recorded.status_line, reply.status_line, 'status line'));
  if (typeof recorded.body === 'string' || recorded.body === null) return [...found, ...compare(names, recorded.body, reply.body, 'body')];
  const body = (reply.body ?? {}) as Exclude<Exchange['body'], string | null>;
  found.push(...compare(names, recorded.body.errors ?? {}, body.errors ?? {}, 'errors'));
  found.push(...compare(names, recorded.body.message ?? '', body.message ?? '', 'message'));
  found.push(...compare(names, recorded.body.data ?? null, body.data ?? null, 'data'));
  return found;
}
