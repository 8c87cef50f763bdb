import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Agent as Dispatcher, request } from 'undici';
import type { AuditRecord } from '../../src/audit/record.ts';
import { lazy } from '../../src/core/lazy.ts';
import { SEED_TOKENS, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { openWorld } from '../../src/simulator/world.ts';
import { createHuman, type Pending } from './human.ts';
import { type Difference, differenceOf, type Picture, pictureOf } from './picture.ts';
import type { Request, Task } from './task.ts';

/** A hundred times the pace of a real cluster. */
const PACE = 0.01;
const MOST_CALLS = 60;

export interface Tool {
  name: string;
  description?: string | undefined;
  inputSchema: object;
}

/** What an agent works with: the user's words, the server's rules and tools. */
export interface Session {
  prompt: string;
  /** The server's rules and tools. The server starts with this or the first call. */
  offer(): Promise<{ instructions: string; tools: Tool[] }>;
  /** Calls a tool; the answer as the client hands it to the model. */
  call(tool: string, args: object): Promise<Record<string, unknown>>;
  /** Ends the agent's turn; the user's answer, or undefined when the conversation is over. */
  say(text: string): Promise<string | undefined>;
}

/** Everything that is known after an agent worked. */
export interface Performance {
  said: string[];
  calls: { tool: string; args: object; answer: Record<string, unknown> }[];
  difference: Difference;
  /** `POST /nodes/pve/qemu/100/status/stop`, in order; no GET. */
  mutations: string[];
  audit: AuditRecord[];
  auditFile: string;
  approved: ReadonlySet<string>;
}

export type Play = (session: Session) => Promise<void>;

/**
 * Puts one agent on one task: a cluster, a server (the shipped binary) and a user of its own.
 * `look` gets what is known afterwards, while the files still exist.
 */
export async function perform<T>(task: Task, play: Play, binary: string, look: (record: Performance) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'eval-'));
  const mutations: string[] = [];
  const simulator = await startSimulator({
    file: join(folder, 'cluster.sqlite'),
    timeScale: PACE,
    onRequest: ({ method, path }) => {
      if (method !== 'GET') mutations.push(`${method} ${path}`);
    },
  });
  const cluster = reach(simulator, folder);
  try {
    await prepare(task, simulator, cluster);
    const before = await cluster.picture();
    mutations.length = 0;
    simulator.faults.add(...(task.faults ?? []));
    const { said, calls, approved } = await converse(task, play, binary, environment(task, simulator, folder));
    simulator.faults.clear();
    const auditFile = join(folder, 'data/audit.jsonl');
    const difference = differenceOf(before, await cluster.picture());
    return await look({ said, calls, approved, difference, mutations: [...mutations], auditFile, audit: readAudit(auditFile) });
  } finally {
    await cluster.close();
    await simulator.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function readAudit(file: string): AuditRecord[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditRecord);
}

/** The cluster without the product in between. */
function reach(simulator: Simulator, folder: string) {
  const dispatcher = new Dispatcher({ connect: { ca: simulator.ca } });
  const headers = { authorization: `PVEAPIToken=${simulator.token.id}=${simulator.token.secret}` };
  const world = openWorld({ file: join(folder, 'cluster.sqlite'), now: Date.now, timeScale: PACE });
  const ask = async (method: string, path: string, params: Record<string, string | number> = {}) => {
    const form = new URLSearchParams(Object.entries(params).map(([key, value]): [string, string] => [key, String(value)])).toString();
    const more = form === '' ? {} : { body: form, headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' } };
    const answer = await request(`${simulator.url}/api2/json${path}`, { dispatcher, headers, method: method as 'GET', ...more });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
  };
  return {
    ask,
    /** The picture once all work has ended; a request makes the simulator look what is due. */
    async picture(): Promise<Picture> {
      do {
        await ask('GET', '/version');
        world.refresh();
        if (world.openTasks().length > 0) await setTimeout(10);
      } while (world.openTasks().length > 0);
      return pictureOf(world);
    },
    async close() {
      world.close();
      await dispatcher.close();
    },
  };
}

async function prepare({ setUp = [], locks = {} }: Task, simulator: Simulator, cluster: ReturnType<typeof reach>): Promise<void> {
  for (const step of setUp) {
    if (Array.isArray(step)) await cluster.ask(...(step as Request));
    else simulator.faults.add(step);
    await cluster.picture();
  }
  simulator.faults.clear();
  for (const [vmid, name] of Object.entries(locks)) simulator.faults.lock(Number(vmid), name);
}

const APPROVAL = { form: 'auto', chat: 'relay', terminal: 'human' } as const;

function environment(task: Task, simulator: Simulator, folder: string): Record<string, string> {
  const { id, secret } = SEED_TOKENS[task.token ?? 'full'];
  const policy = join(folder, 'policy.json');
  if (task.policy) writeFileSync(policy, JSON.stringify(task.policy));
  return {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    PROXMOX_HOST: '127.0.0.1',
    PROXMOX_PORT: String(simulator.port),
    PROXMOX_TOKEN_ID: id,
    PROXMOX_TOKEN_SECRET: secret,
    PROXMOX_FINGERPRINT: simulator.fingerprint,
    PROXMOX_DATA_DIR: join(folder, 'data'),
    PROXMOX_LOG_LEVEL: 'silent',
    PROXMOX_APPROVAL: APPROVAL[task.human?.decides ?? 'form'],
    ...(task.policy ? { PROXMOX_POLICY_FILE: policy } : {}),
    ...task.env,
  };
}

async function converse(task: Task, play: Play, binary: string, env: Record<string, string>) {
  const human = createHuman(task.human ?? {}, { binary, env });
  const canAsk = (task.human?.decides ?? 'form') === 'form';
  const client = new Client({ name: 'evals', version: '1' }, { capabilities: canAsk ? { elicitation: { form: {} } } : {} });
  if (canAsk) client.setRequestHandler('elicitation/create', ({ params }) => human.fillIn(params.message));
  const calls: Performance['calls'] = [];
  const said: string[] = [];
  const pending: Pending[] = [];
  const transport = { command: process.execPath, args: [binary, 'stdio'], env, stderr: 'ignore' as const };
  const connected = lazy(() => client.connect(new StdioClientTransport(transport)));
  try {
    await play({
      prompt: task.prompt,
      async offer() {
        await connected.get();
        return { instructions: client.getInstructions() ?? '', tools: (await client.listTools()).tools };
      },
      async call(tool, args) {
        if (calls.length >= MOST_CALLS) throw new Error(`more than ${MOST_CALLS} calls`);
        await connected.get();
        const result = await client.callTool({ name: tool, arguments: { ...args } }, { timeout: 120_000 }).catch((error: Error) => ({
          structuredContent: { error: { code: 'protocol', message: error.message } },
        }));
        const answer = (result.structuredContent ?? {}) as Record<string, unknown>;
        calls.push({ tool, args, answer });
        if (answer.approval_required === true) pending.push({ id: String(answer.approval_id), summary: String(answer.summary) });
        return answer;
      },
      async say(text) {
        said.push(text);
        return human.hear(text, pending);
      },
    });
  } finally {
    await client.close();
  }
  return { said, calls, approved: human.approved };
}
