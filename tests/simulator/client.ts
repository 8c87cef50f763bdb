import { Agent, request } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import { SEED_TOKENS, type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/index.ts';

export interface Reply {
  status: number;
  reason: string;
  headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: answers of the API are loosely typed on purpose.
  data: any;
  errors: Record<string, string> | undefined;
  message: string | undefined;
  text: string;
}

export interface Client {
  get(path: string): Promise<Reply>;
  post(path: string, params?: Record<string, string>): Promise<Reply>;
  put(path: string, params?: Record<string, string>): Promise<Reply>;
  delete(path: string): Promise<Reply>;
  /** Sends, waits for the task, returns its exit status. */
  task(method: 'POST' | 'PUT' | 'DELETE', path: string, params?: Record<string, string>): Promise<string>;
  /** Waits for a task that was started. */
  wait(upid: string): Promise<string>;
  close(): void;
}

interface RawRequest {
  method: string;
  path: string;
  body?: string | undefined;
  headers?: Record<string, string>;
  agent?: Agent;
}

const contexts = new Map<string, SecureContext>();

/** Options of a request that trusts this authority alone. Its context is made once: that takes longer than a request. */
export function trusting(ca: string): { ca: string; secureContext: SecureContext } {
  const secureContext = contexts.get(ca) ?? createSecureContext({ ca });
  contexts.set(ca, secureContext);
  // By the authority an agent tells connections apart.
  return { ca, secureContext };
}

/** One request as it stands, without an opinion on the answer. */
export function send(simulator: Pick<Simulator, 'url' | 'ca'>, { method, path, body, headers = {}, agent }: RawRequest): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const options = { method, headers: { ...length, ...headers }, ...trusting(simulator.ca), ...(agent ? { agent } : {}) };
    const outgoing = request(`${simulator.url}${path}`, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        const json = response.headers['content-type']?.startsWith('application/json') ? (JSON.parse(text) ?? {}) : {};
        const { data, errors, message } = json;
        resolve({
          status: response.statusCode ?? 0,
          reason: response.statusMessage ?? '',
          headers: response.headers,
          data,
          errors,
          message,
          text,
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export const authorization = (token: { id: string; secret: string }) => ({ Authorization: `PVEAPIToken=${token.id}=${token.secret}` });

export function clientOf(simulator: Simulator, token: { id: string; secret: string } = simulator.token): Client {
  const agent = new Agent({ keepAlive: true, ...trusting(simulator.ca) });
  const call = (method: string, path: string, params?: Record<string, string>) => {
    const form = params === undefined ? undefined : new URLSearchParams(params).toString();
    const type = form === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' };
    return send(simulator, { method, path: `/api2/json${path}`, body: form, headers: { ...authorization(token), ...type }, agent });
  };
  const client: Client = {
    get: (path) => call('GET', path),
    post: (path, params = {}) => call('POST', path, params),
    put: (path, params = {}) => call('PUT', path, params),
    delete: (path) => call('DELETE', path),
    async task(method, path, params) {
      const { data, status, reason } = await call(method, path, method === 'DELETE' ? undefined : (params ?? {}));
      if (status !== 200) throw new Error(`${method} ${path}: ${status} ${reason}`);
      return client.wait(String(data));
    },
    async wait(upid) {
      const path = `/nodes/${upid.split(':')[1]}/tasks/${encodeURIComponent(upid)}/status`;
      for (;;) {
        const { data } = await client.get(path);
        if (data.status === 'stopped') return data.exitstatus;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    close: () => agent.destroy(),
  };
  return client;
}

/** A simulator in memory at a hundredth of the time, with a client of full rights. */
export async function openSimulator(
  options: Partial<SimulatorOptions> = {},
): Promise<{ simulator: Simulator; api: Client; as(token: keyof typeof SEED_TOKENS): Client; close(): Promise<void> }> {
  const simulator = await startSimulator({ file: ':memory:', timeScale: 0.01, ...options });
  const clients = [clientOf(simulator)];
  return {
    simulator,
    api: clients[0] as Client,
    as(token) {
      const client = clientOf(simulator, SEED_TOKENS[token]);
      clients.push(client);
      return client;
    },
    async close() {
      for (const client of clients) client.close();
      await simulator.close();
    },
  };
}

/** A clock that stands still until a test moves it, for everything that must not depend on how fast the machine is. */
export function stillClock(): { now: () => number; pass(ms: number): void } {
  let now = Date.UTC(2026, 0, 1, 0, 0, 1);
  return {
    now: () => now,
    pass: (ms) => {
      now += ms;
    },
  };
}

/** Polls until the condition holds. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
