import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

/** One call of a story. */
export interface Step {
  story: string;
  tool: string;
  /** `ok`, or what went wrong. */
  outcome: string;
  seconds: number;
}

/** Begins the outcome of a step that this cluster cannot do. */
export const NOT_HERE = 'not here: ';

export type Answer = Record<string, unknown>;

export interface Stage {
  /** Begins the name of everything that is made. */
  prefix: string;
  pool: string;
  /** Calls a tool, once. @throws the error that it answers */
  ask(tool: string, args?: object): Promise<Answer>;
  /** Calls a tool, approves what it asks for, and follows it to its end. @throws what went wrong */
  call(tool: string, args?: object): Promise<Answer>;
  /** The same for what a cluster may be unable to do; undefined when it is. */
  attempt(tool: string, args: object): Promise<Answer | undefined>;
  /** Rows of a list as objects. */
  rows(tool: string, args?: object): Promise<Answer[]>;
}

/**
 * The shipped binary on the cluster that PROXMOX_* names, confined by its own policy to the guests of one pool.
 * Approvals are passed on at once: the operator who runs this agreed to what happens in the pool.
 */
export async function withStage<T>(
  { binary, env, pool, steps }: { binary: string; env: Record<string, string | undefined>; pool: string; steps: Step[] },
  work: (stage: Stage, story: (name: string) => void) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'live-'));
  const policy = join(folder, 'policy.json');
  writeFileSync(policy, JSON.stringify({ only: { pools: [pool] }, run: [{ match: { pool: [pool] }, argv: [['uname', '-a']] }] }));
  const own = {
    PROXMOX_DATA_DIR: join(folder, 'data'),
    PROXMOX_POLICY_FILE: policy,
    PROXMOX_POOL: pool,
    PROXMOX_APPROVAL: 'relay',
    PROXMOX_TOOLSETS: 'all',
    HOME: folder,
  };
  const given = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && /^(PROXMOX_|PATH$)/.test(entry[0]),
  );
  const client = new Client({ name: 'live', version: '1' });
  let story = '';
  const ask: Stage['ask'] = async (tool, args = {}) => {
    const start = performance.now();
    const done = (outcome: string) => steps.push({ story, tool, outcome, seconds: Math.round((performance.now() - start) / 100) / 10 });
    try {
      const answer = await send(client, tool, args);
      done('ok');
      return answer;
    } catch (error) {
      done((error as Error).message);
      throw error;
    }
  };
  try {
    const transport = { command: process.execPath, args: [binary, 'stdio'], env: { ...Object.fromEntries(given), ...own } };
    await client.connect(new StdioClientTransport({ ...transport, stderr: 'inherit' }));
    const stage: Stage = {
      prefix: `live-${Date.now().toString(36)}`,
      pool,
      ask,
      call: (tool, args) => follow(ask, tool, args),
      attempt: (tool, args) =>
        follow(ask, tool, args).catch((error: Error) => {
          const [last] = steps.slice(-1);
          if (last) last.outcome = `${NOT_HERE}${error.message}`;
          return undefined;
        }),
      async rows(tool, args) {
        return rowsOf(await ask(tool, args));
      },
    };
    return await work(stage, (name) => {
      story = name;
    });
  } finally {
    await client.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Patience with one request of the client, ms: longer than the server's own deadline. */
const PATIENCE = 120_000;
const MOST_WAITS = 40;

async function follow(ask: Stage['ask'], tool: string, args?: object): Promise<Answer> {
  const first = await ask(tool, args);
  let answer = first.approval_required === true ? withResult(await ask('approve', { approval_id: first.approval_id })) : first;
  for (let waits = 0; answer.status === 'running' && answer.run_id !== undefined && answer.next !== undefined; waits += 1) {
    if (waits >= MOST_WAITS) throw new Error(`Run ${answer.run_id} does not end.`);
    answer = withResult(await ask('get_task', { run_id: answer.run_id, wait_seconds: 50 }));
  }
  return answer;
}

/** A list as objects: it comes as such, or as rows below their columns. */
export function rowsOf(list: unknown): Answer[] {
  if (Array.isArray(list)) return list as Answer[];
  const { columns = [], rows = [] } = (list ?? {}) as { columns?: string[]; rows?: unknown[][] };
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
}

/** What an operation answers stands inside the answer of the tool that followed it. */
const withResult = (answer: Answer): Answer => ({ ...answer, ...((answer.result ?? {}) as object) });

async function send(client: Client, tool: string, args: object): Promise<Answer> {
  const result = await client.callTool({ name: tool, arguments: { ...args } }, { timeout: PATIENCE });
  const answer = (result.structuredContent ?? {}) as Answer & { error?: { code: string; message: string } };
  if (result.isError) throw new Error(`${answer.error?.code}: ${answer.error?.message}`);
  return answer;
}
