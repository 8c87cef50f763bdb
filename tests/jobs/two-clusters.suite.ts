import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defined } from '../../src/core/defined.ts';
import { connectAgent, openPlace, type Place } from '../e2e/harness.ts';
import { wholeState } from '../helpers/whole-state.ts';
import { type Day, POLICY, SETTINGS, thirtyJobs } from './day.ts';
import type { Answer } from './job.ts';
import { tableOfTwo, tokens } from './table.ts';

/** The cluster that the operator speaks of, and the one beside it, which has the same VMIDs, names, volumes and tasks. */
const [WORK, BESIDE] = ['work', 'home'];
let day: Day;
let beside: Place;
let before: string[];

const { PROXMOX_MEDIA_HOSTS, PROXMOX_TOOLSETS } = SETTINGS;

/** The cluster in the file of clusters. */
function entryOf({ env }: Place, more: object = {}): object {
  const { PROXMOX_HOST, PROXMOX_PORT, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET, PROXMOX_FINGERPRINT } = env;
  return { PROXMOX_HOST, PROXMOX_PORT, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET, PROXMOX_FINGERPRINT, ...more };
}

const stateOf = ({ dataDir }: Place) => wholeState(join(dirname(dataDir), 'cluster.sqlite'));

/** The part of one cluster in an answer of both. */
function partOf(cluster: string, answer: Answer): Answer {
  const { by_cluster: each = {}, ...rest } = answer;
  const own = Object.entries(rest).map(([key, value]) => [key, isTable(value) ? rowsOf(cluster, value) : value]);
  return { ...Object.fromEntries(own), ...(isTable(rest) ? rowsOf(cluster, rest) : {}), ...each[cluster] };
}
const isTable = (value: unknown): value is Answer => Array.isArray((value as Answer)?.columns);
const rowsOf = (cluster: string, { columns, rows }: Answer): Answer => ({
  columns,
  rows: rows.filter((row: unknown[]) => row[columns.indexOf('cluster')] === cluster),
});

describe('thirty jobs of an operator on one of two clusters that share VMIDs and names', () => {
  beforeAll(async () => {
    const place = await openPlace({ timeScale: 0.02 }, SETTINGS);
    beside = await openPlace({ timeScale: 0.02, certificate: 'second' });
    const folder = dirname(place.dataDir);
    mkdirSync(folder, { recursive: true });
    const [policy, file] = [join(folder, 'policy.json'), join(folder, 'clusters.json')];
    writeFileSync(policy, POLICY);
    const clusters = { [BESIDE]: entryOf(beside), [WORK]: entryOf(place, { PROXMOX_POLICY_FILE: policy, PROXMOX_MEDIA_HOSTS }) };
    writeFileSync(file, JSON.stringify(clusters), { mode: 0o600 });
    const { PATH, HOME, PROXMOX_DATA_DIR, PROXMOX_LOG_LEVEL } = place.env;
    const env = defined({ PATH, HOME, PROXMOX_DATA_DIR, PROXMOX_LOG_LEVEL, PROXMOX_TOOLSETS, PROXMOX_CLUSTERS_FILE: file });
    const connect = () => connectAgent({ env });
    before = stateOf(beside);
    day = {
      place,
      agent: await connect(),
      reconnect: connect,
      callsOf({ tool, error, unnamed }, args) {
        const named = { cluster: WORK, ...args };
        if (unnamed === 'both') return [{ args, error, note: 'of both' }];
        if (unnamed === 'ambiguous')
          return [
            { args, error: 'ambiguous', note: 'on both' },
            { args: named, error },
          ];
        return [{ args: tool === 'approve' || tool === 'deny' || 'run_id' in args ? args : named, error }];
      },
      shown({ unnamed, error }, answer) {
        if (unnamed !== 'both' || error) return answer;
        const [here, there] = [partOf(WORK, answer), partOf(BESIDE, answer)];
        // Both are covered: what one of them shows, the other shows too, though not as many of it.
        expect(Object.keys(there)).toEqual(Object.keys(here));
        for (const one of [here, there]) expect(tablesOf(one).every(({ rows }) => rows.length > 0)).toBe(true);
        return here;
      },
      after: () => expect(beside.mutations()).toEqual([]),
    };
  });
  afterAll(async () => {
    await day.agent.close();
    await day.place.close();
    await beside.close();
  });

  thirtyJobs(() => day, { calls: 56, out: 12_000 }, { name: 'npm run jobs, two clusters', of: tableOfTwo });

  it('leave the other cluster exactly as it was', () => {
    expect(stateOf(beside)).toEqual(before);
  });

  it('cost at most 3 tokens a tool for the cluster', async () => {
    const alone = await connectAgent(day.place);
    const [one, two] = await Promise.all([alone, day.agent].map(({ client }) => client.listTools()));
    await alone.close();
    expect(two?.tools.map(({ name }) => name)).toEqual(one?.tools.map(({ name }) => name));
    const listed = ({ name, description, inputSchema }: { name: string; description?: string | undefined; inputSchema: object }) =>
      tokens({ name, description, input_schema: inputSchema });
    const more = two?.tools.map((tool, index) => listed(tool) - listed(one?.tools[index] ?? tool)) ?? [];
    expect(more.length).toBeGreaterThan(30);
    expect(Math.max(...more)).toBeLessThanOrEqual(3);
  });
});

const tablesOf = (answer: Answer): Answer[] => [answer, ...Object.values(answer)].filter(isTable);
