import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/index.ts';
import { binary } from '../helpers/binary.ts';
import { command } from '../helpers/command.ts';
import { invalidRequests } from '../helpers/simulator.ts';

export interface Sent {
  method: string;
  path: string;
  params: Record<string, string | string[]>;
}

export interface Place {
  simulator: Simulator;
  dataDir: string;
  env: Record<string, string>;
  /** Every request the cluster received so far. */
  requests: Sent[];
  mutations(): Sent[];
  close(): Promise<void>;
}

/** A cluster of this test's own and a data folder beside it; the shipped binary reaches it as it would reach a real one. */
export async function openPlace(options: Partial<SimulatorOptions> = {}, env: Record<string, string> = {}): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'e2e-'));
  const requests: Sent[] = [];
  const simulator = await startSimulator({
    file: join(folder, 'cluster.sqlite'),
    timeScale: 0.1,
    ...options,
    onRequest: (r) => requests.push({ method: r.method, path: r.path, params: r.params }),
  });
  const dataDir = join(folder, 'data');
  return {
    simulator,
    dataDir,
    requests,
    mutations: () => requests.filter((r) => r.method !== 'GET'),
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      PROXMOX_HOST: '127.0.0.1',
      PROXMOX_PORT: String(simulator.port),
      PROXMOX_TOKEN_ID: simulator.token.id,
      PROXMOX_TOKEN_SECRET: simulator.token.secret,
      PROXMOX_FINGERPRINT: simulator.fingerprint,
      PROXMOX_DATA_DIR: dataDir,
      PROXMOX_LOG_LEVEL: 'error',
      ...env,
    },
    async close() {
      await simulator.close();
      rmSync(folder, { recursive: true, force: true });
      const invalid = invalidRequests(requests.filter((r) => !r.path.startsWith('/simulator')));
      if (invalid.length > 0) throw new Error(`requests that the API's contract does not allow: ${JSON.stringify(invalid)}`);
    },
  };
}

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
  json: Record<string, unknown> & { error?: { code: string; message: string } };
}

type Run = (place: Pick<Place, 'env'>, args: string[], env?: Record<string, string>) => Promise<Ran>;

/** A command of the shipped bundle, without a terminal, in this process: a start of Node costs more than most commands. */
export const run: Run = async (place, args, env = {}) => {
  const { code, stdout, stderr } = await command(args, { env: { ...place.env, ...env } });
  return { code, stdout, stderr, json: parse(stdout) };
};

/** The same in a process of its own. */
export const runBinary: Run = (place, args, env = {}) => {
  const child = spawn(process.execPath, [binary(), ...args], { env: { ...place.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr, json: parse(stdout) })));
};

const calling =
  (how: Run) =>
  (place: Pick<Place, 'env'>, operation: string, args: object, more: string[] = [], env: Record<string, string> = {}) =>
    how(place, ['call', operation, '--args', JSON.stringify(args), ...more], env);
export const call = calling(run);
export const callBinary = calling(runBinary);

function parse(text: string): Ran['json'] {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

export interface Agent {
  client: Client;
  pid: number;
  tool(name: string, args?: object): Promise<Record<string, unknown> & { isError: boolean; error?: { code: string; message: string } }>;
  close(): Promise<void>;
}

/** A real client on a real pipe to the shipped binary. */
export async function connectAgent(place: Pick<Place, 'env'>, env: Record<string, string> = {}): Promise<Agent> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [binary(), 'stdio'],
    env: { ...place.env, ...env },
    stderr: 'ignore',
  });
  const client = new Client({ name: 'test-agent', version: '1' });
  await client.connect(transport);
  return {
    client,
    pid: transport.pid ?? 0,
    async tool(name, args = {}) {
      const result = await client.callTool({ name, arguments: args as Record<string, unknown> }, { timeout: 120_000 });
      return { ...(result.structuredContent as object), isError: result.isError === true };
    },
    close: () => client.close(),
  };
}

/** Waits until something holds; fails the test when it never does. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; !(await holds()); ) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
