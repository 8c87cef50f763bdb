import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type ConsoleOptions, createConsole, TOKEN_HEADER } from '../../src/console/app.ts';
import { createLinks, type Links } from '../../src/console/login.ts';
import { createSessions } from '../../src/console/sessions.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Caller } from '../../src/core/people/caller.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { RunRecord } from '../../src/core/plan/run.ts';
import type { Result } from '../../src/core/result.ts';
import type { Engine, PerformOptions } from '../../src/engine/types.ts';
import { listen } from '../../src/http/listen.ts';

/** A clock that a test turns. */
export function handClock(): Clock & { pass(seconds: number): void } {
  let now = Date.parse('2026-11-23T10:00:00Z');
  return {
    now: () => now,
    elapsed: () => now,
    sleep: async () => {},
    pass(seconds) {
      now += seconds * 1000;
    },
  };
}

export interface Call {
  operation: string;
  args: unknown;
  caller: Caller;
  options: PerformOptions | undefined;
}

/** An engine that says what a test wants it to and remembers what it was asked: these tests are about the console alone. */
export function scriptedEngine(answer: (call: Call) => Result = () => ({ kind: 'done', output: {} })) {
  const calls: Call[] = [];
  const engine: Engine & { calls: Call[]; pending: ApprovalRecord[]; recent: ApprovalRecord[]; looks: number } = {
    clusters: [],
    calls,
    pending: [],
    recent: [],
    looks: 0,
    async perform(operation, args, caller, options) {
      const call = { operation, args, caller, options };
      calls.push(call);
      return answer(call);
    },
    async watch() {
      engine.looks += 1;
      return { pending: engine.pending.slice(0, 200), total: engine.pending.length, recent: engine.recent };
    },
    approval: async (id) => [...engine.pending, ...engine.recent].find((one) => one.id === id),
    stamps: async () => unreachable(),
    standing: {
      create: async () => unreachable(),
      revoke: async () => unreachable(),
      list: async () => [],
    },
    openRuns: {
      list: async () => [openRun()],
      close: async (id, outcome, caller) => {
        calls.push({ operation: 'close', args: { id, outcome }, caller, options: undefined });
        return { ...openRun(), status: outcome === 'done' ? 'succeeded' : 'failed' };
      },
    },
    quotas: async () => ({ scope: { kind: 'visible' }, quotas: [] }),
    close: async () => {},
  };
  return engine;
}

const openRun = (): RunRecord => ({
  id: 'run_open',
  operation: 'delete_vm',
  args: {},
  cluster: 'simulator',
  principal: 'local:agent',
  plan: { ...plan, summary: 'Delete \u202eweb1 (105) on pve' },
  digest: 'd',
  status: 'unknown',
  steps: [],
  error: { code: 'outcome_unknown', message: 'no answer came', hint: '' },
  startedAt: '2026-11-23T10:00:00.000Z',
});

function unreachable(): never {
  throw new Error('the console creates no standing approvals');
}

export const plan: Plan = {
  operation: 'delete_vm',
  summary: 'Delete web1 (105) on pve',
  effect: 'destroy',
  target: { type: 'qemu', vmid: 105, key: 'k', name: 'web1', node: 'pve', protection: false, disks: ['local-lvm:vm-105-disk-0'] },
  steps: [
    {
      kind: 'request',
      id: 'delete',
      method: 'DELETE',
      path: '/nodes/pve/qemu/105',
      params: { purge: true, note: { $secret: 'c2VjcmV0' } },
      purpose: 'destroy web1 (105)',
    },
  ],
  expected: [],
  choices: [],
  warnings: ['2 snapshots go with it'],
  before: { status: 'stopped', disks: 1 },
  after: { status: null, disks: 1 },
  undo: 'impossible',
};

export const approval: ApprovalRecord = {
  id: 'apr_1',
  operation: 'delete_vm',
  args: { vmid: 105 },
  cluster: 'simulator',
  principal: 'local:1000',
  owner: 'local:1000',
  channel: 'stdio',
  plan,
  digest: 'd'.repeat(64),
  effect: 'destroy',
  method: 'human',
  needed: 1,
  status: 'pending',
  reason: 'the user said so',
  createdAt: '2026-11-23T10:00:00.000Z',
  expiresAt: '2026-11-23T10:15:00.000Z',
};

const assets = Object.fromEntries(
  ['index.html', 'app.js', 'app.css', 'icon.svg'].map((name) => [name, { body: name, type: 'text/plain' }]),
) as unknown as ConsoleOptions['assets'];

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  json: Record<string, unknown> & { error?: { code: string; message: string; hint: string } };
}

export interface Open {
  port: number;
  origin: string;
  links: Links;
  clock: ReturnType<typeof handClock>;
  engine: ReturnType<typeof scriptedEngine>;
  auditFile: string;
  /** A request as a browser of this page makes it; any header can be replaced, or left out with undefined. */
  ask(method: string, path: string, options?: { headers?: Record<string, string | undefined>; body?: unknown }): Promise<Answer>;
  /** Logs in by a fresh link; the headers of a session. */
  logIn(): Promise<{ Cookie: string; [TOKEN_HEADER]: string }>;
  close(): Promise<void>;
}

/** The console on a real port, with an engine that does nothing. */
export async function openConsolePlace(
  options: Partial<ConsoleOptions> & { engine?: ReturnType<typeof scriptedEngine> } = {},
): Promise<Open> {
  const folder = mkdtempSync(join(tmpdir(), 'console-'));
  const clock = handClock();
  const engine = options.engine ?? scriptedEngine();
  const links = createLinks(clock, { principal: 'local:1000', owner: 'local:1000', name: 'operator', isOperator: true });
  const auditFile = join(folder, 'audit.jsonl');
  let origin = '';
  const app = createConsole({
    settings: {
      limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } },
      auditFile,
      dataDir: folder,
      demo: true,
    },
    logins: links,
    sessions: createSessions(clock),
    origins: () => [origin],
    assets,
    clock,
    pollMs: 10,
    ...options,
    engine,
  });
  const server = await listen(app, { host: '127.0.0.1', port: 0, onError: (error) => expect.fail(error.message) });
  origin = `http://127.0.0.1:${server.port}`;
  const ask: Open['ask'] = (method, path, { headers = {}, body } = {}) =>
    send(
      { port: server.port, method, path, body },
      {
        ...(method === 'POST' ? { Origin: origin, 'Content-Type': 'application/json' } : {}),
        'Sec-Fetch-Site': 'same-origin',
        ...headers,
      },
    );
  return {
    port: server.port,
    origin,
    links,
    clock,
    engine,
    auditFile,
    ask,
    async logIn() {
      const base = options.basePath ?? '';
      const answer = await ask('POST', `${base}/api/login/link`, { body: { secret: links.issue() } });
      return { Cookie: cookieOf(answer), [TOKEN_HEADER]: String(answer.json.token) };
    },
    async close() {
      app.close();
      await server.close(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function cookieOf(answer: Answer): string {
  return String(answer.headers['set-cookie']).split(';')[0] ?? '';
}

function send(
  { port, method, path, body }: { port: number; method: string; path: string; body: unknown },
  headers: Record<string, string | undefined>,
): Promise<Answer> {
  const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<string, string>;
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers: given }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk) => {
        text += chunk;
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text, json: parse(text) }));
    });
    outgoing.once('error', reject);
    outgoing.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });
}

function parse(text: string): Answer['json'] {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
