import type { AuthInfo, McpServer } from '@modelcontextprotocol/server';
import { defined } from '../../core/defined.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { Offered } from '../../operations/available.ts';
import type { ReadContext } from './read.ts';

/** At most so many values are sent (specification, server/utilities/completion). */
const MAX_VALUES = 100;
/** How long (ms) names serve the next keystrokes. */
const FRESH_MS = 10_000;

type Kind = 'vmids' | 'guests' | 'nodes' | 'storages' | 'images' | 'approvals' | 'tasks';
/** For each kind, the names that fit the typed text. */
export type Completions = Record<Kind, (typed: string) => Promise<string[]>>;

interface Choice {
  value: string;
  /** Also found by this. */
  alias?: string;
}

const SOURCES: Record<Kind, { tool: string; args: JsonObject; choices: (answer: JsonObject) => Choice[] }> = {
  vmids: {
    tool: 'list_vms',
    args: { limit: 500 },
    choices: (a) => rows(a.vms).map((g) => ({ value: addressOf(g), alias: String(g.name) })),
  },
  guests: {
    tool: 'list_vms',
    args: { limit: 500 },
    choices: (a) => rows(a.vms).map((g) => ({ value: String(g.name), alias: String(g.vmid) })),
  },
  nodes: { tool: 'get_cluster', args: { sections: ['nodes'] }, choices: (a) => named(a.nodes, 'node') },
  storages: { tool: 'get_cluster', args: { sections: ['storages'] }, choices: (a) => named(a.storages, 'storage') },
  images: { tool: 'get_cluster', args: { sections: ['media'] }, choices: (a) => named(a.media, 'volume') },
  approvals: { tool: 'list_approvals', args: { status: 'pending' }, choices: (a) => named(a.approvals, 'approval_id') },
  tasks: { tool: 'get_task', args: {}, choices: (a) => named(a.runs, 'run_id') },
};

/** @param authInfo of the connection, because a completion says nothing else about its caller */
export function completions(
  context: ReadContext,
  server: McpServer,
  operations: readonly Offered[],
  authInfo: AuthInfo | undefined,
): Completions {
  const known = new Map<string, { until: number; choices: Promise<Choice[]> }>();

  async function choicesOf(kind: Kind): Promise<Choice[]> {
    const { tool, args, choices } = SOURCES[kind];
    if (!operations.some(({ name }) => name === tool)) return [];
    const earlier = known.get(kind);
    if (earlier && earlier.until > Date.now()) return earlier.choices;
    const info = server.server.getClientVersion();
    const client = { elicitation: false, opensUrls: false, ...defined({ authInfo, client: info && `${info.name} ${info.version}` }) };
    const { read } = await import('./read.ts');
    const asked = read(context, tool, args, client).then(choices, () => []);
    known.set(kind, { until: Date.now() + FRESH_MS, choices: asked });
    return asked;
  }

  const completing = (kind: Kind) => async (typed: string) => {
    const text = typed.toLowerCase();
    const all = await choicesOf(kind);
    const begins = all.filter(({ value }) => value.toLowerCase().startsWith(text));
    const contains = all.filter((one) => !begins.includes(one) && `${one.value} ${one.alias ?? ''}`.toLowerCase().includes(text));
    return [...new Set([...begins, ...contains].map(({ value }) => value))].slice(0, MAX_VALUES);
  };
  return Object.fromEntries(Object.keys(SOURCES).map((kind) => [kind, completing(kind as Kind)])) as Completions;
}

/** The id of a guest in its address. */
function addressOf({ cluster, vmid }: JsonObject): string {
  return cluster === undefined ? String(vmid) : `${cluster}:${vmid}`;
}

function rows(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list : [];
}

function named(list: unknown, key: string): Choice[] {
  return rows(list).flatMap((row) => (typeof row[key] === 'string' ? [{ value: row[key] }] : []));
}
