import { request } from 'node:https';
import type { Simulator } from '../../src/simulator/index.ts';
import type { Where } from './catalogue.ts';

export const CANARY = 'canary-Zq7!pass';

/** How far the cluster is from what the call asked for. */
export type State = 'before' | 'partly' | 'goal';

export interface Job {
  name: string;
  operation: string;
  args: Record<string, unknown>;
  /** Read from the simulator itself, past the proxy. */
  state(ask: Ask): Promise<State>;
  /** Arguments of a call before, which ends well: its traces are not those of this one. */
  first?: Record<string, unknown>;
  /** Only requests of these places are struck. */
  only?: Where[];
}

export type Ask = <T = Record<string, unknown>>(path: string) => Promise<T | undefined>;

/** Reads the simulator as root. Undefined when it refuses. */
export function askSimulator(simulator: Simulator): Ask {
  return <T>(path: string) =>
    new Promise<T | undefined>((resolve, reject) => {
      const headers = { authorization: `PVEAPIToken=${simulator.token.id}=${simulator.token.secret}` };
      request(
        { host: '127.0.0.1', port: simulator.port, path: `/api2/json${path}`, headers, rejectUnauthorized: false, agent: false },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
          answer.once('end', () => resolve(answer.statusCode === 200 ? (JSON.parse(text).data as T) : undefined));
        },
      )
        .once('error', reject)
        .end();
    });
}

/** For jobs whose plan is that of a like job. */
const FROM_CHANGE: Where[] = ['mutation', 'poll', 'late-read'];

type Row = { vmid: number; name: string; status: string };
const config = (ask: Ask, at: string) => ask<Record<string, string>>(`${at}/config`);
const status = async (ask: Ask, at: string) => (await ask<{ status: string }>(`${at}/status/current`))?.status;

/** @param facts what the finished guest shows, each true or false */
async function made(ask: Ask, name: string, facts: (config: Record<string, string>, status: string) => boolean[]): Promise<State> {
  const rows = (
    await Promise.all(
      ['pve', 'pve2'].map((node) => ask<Row[]>(`/nodes/${node}/qemu`).then((r) => (r ?? []).map((row) => ({ ...row, node })))),
    )
  ).flat();
  const mine = rows.filter((row) => row.name === name);
  if (mine.length > 1) throw new Error(`${mine.length} guests are called ${name}`);
  const [row] = mine;
  if (!row) return 'before';
  const shown = (await config(ask, `/nodes/${row.node}/qemu/${row.vmid}`)) ?? {};
  return facts(shown, row.status).every(Boolean) ? 'goal' : 'partly';
}

async function both(states: Promise<State>[]): Promise<State> {
  const [first = 'before', ...others] = await Promise.all(states);
  return others.every((one) => one === first) ? first : 'partly';
}

const power = (at: string, wanted: 'running' | 'stopped') => async (ask: Ask) =>
  ((await status(ask, at)) === wanted ? 'goal' : 'before') as State;
const resized = (at: string, memory: string, cores: string) => async (ask: Ask) => {
  const shown = (await config(ask, at)) ?? {};
  const right = [shown.memory === memory, String(shown.cores) === cores];
  return (right.every(Boolean) ? 'goal' : right.some(Boolean) ? 'partly' : 'before') as State;
};
const gone = async (ask: Ask) => ((await config(ask, '/nodes/pve/qemu/105')) === undefined ? 'goal' : 'before') as State;

const cloudInit = { user: 'ops', password: CANARY, ipconfig0: 'ip=10.77.0.50/24,gw=10.77.0.1' };

export const JOBS: Job[] = [
  {
    name: 'create',
    operation: 'create_vm',
    args: {
      name: 'cell',
      image: 'local:import/debian-12-genericcloud-amd64.qcow2',
      storage: 'local-lvm',
      disk_gb: 10,
      tags: ['x'],
      cloud_init: cloudInit,
      start_on_create: true,
    },
    state: (ask) => made(ask, 'cell', (c, s) => [/size=10G/.test(c.scsi0 ?? ''), c.tags === 'x', c.ciuser === 'ops', s === 'running']),
  },
  {
    name: 'clone',
    operation: 'clone_template',
    args: { source_vmid: 9000, name: 'cell', cores: 2, memory: 1024, disk_gb: 8, tags: ['x'], cloud_init: cloudInit, start: true },
    state: (ask) =>
      made(ask, 'cell', (c, s) => [
        /size=8G/.test(c.scsi0 ?? ''),
        c.tags === 'x',
        c.ciuser === 'ops',
        c.memory === '1024',
        String(c.cores) === '2',
        s === 'running',
      ]),
  },
  {
    // Side by side: the order of polls differs from time to time, so only changes are struck.
    name: 'create-two',
    operation: 'create_vm',
    args: { names: ['cell1', 'cell2'], storage: 'local-lvm', disk_gb: 1, tags: ['x'], start_on_create: true },
    only: ['mutation'],
    state: (ask) => both(['cell1', 'cell2'].map((name) => made(ask, name, (c, s) => [c.tags === 'x', s === 'running']))),
  },
  {
    name: 'stop-two',
    operation: 'stop_vm',
    args: { vmids: [103, 107], force: true },
    only: ['mutation'],
    state: (ask) => both([power('/nodes/pve/qemu/103', 'stopped')(ask), power('/nodes/pve2/qemu/107', 'stopped')(ask)]),
  },
  {
    name: 'set',
    operation: 'set_resources',
    args: { vmid: 105, memory: 640, cores: 2 },
    state: resized('/nodes/pve/qemu/105', '640', '2'),
  },
  {
    name: 'set-running',
    operation: 'set_resources',
    args: { vmid: 101, memory: 2048, cores: 2 },
    only: FROM_CHANGE,
    state: resized('/nodes/pve2/qemu/101', '2048', '2'),
  },
  {
    // Its request is easily taken for the one just before: the same token, type of task and guest, within seconds.
    name: 'set-again',
    operation: 'set_resources',
    first: { vmid: 105, memory: 768, cores: 2 },
    args: { vmid: 105, memory: 832, cores: 1 },
    only: ['mutation', 'poll'],
    state: resized('/nodes/pve/qemu/105', '832', '1'),
  },
  { name: 'delete', operation: 'delete_vm', args: { vmid: 105 }, state: gone },
  { name: 'delete-after-backup', operation: 'delete_vm', args: { vmid: 105, backup_storage: 'nas' }, only: FROM_CHANGE, state: gone },
  { name: 'start', operation: 'start_vm', args: { vmid: 105 }, state: power('/nodes/pve/qemu/105', 'running') },
  {
    name: 'start-container',
    operation: 'start_vm',
    args: { vmid: 201 },
    only: FROM_CHANGE,
    state: power('/nodes/pve2/lxc/201', 'running'),
  },
  { name: 'stop', operation: 'stop_vm', args: { vmid: 107 }, state: power('/nodes/pve2/qemu/107', 'stopped') },
  {
    name: 'stop-force',
    operation: 'stop_vm',
    args: { vmid: 103, force: true },
    only: FROM_CHANGE,
    state: power('/nodes/pve/qemu/103', 'stopped'),
  },
  {
    name: 'migrate',
    operation: 'migrate_vm',
    args: { vmid: 100, target_node: 'pve2' },
    only: FROM_CHANGE,
    state: async (ask) => ((await config(ask, '/nodes/pve2/qemu/100')) === undefined ? 'before' : 'goal'),
  },
  { name: 'stop-container', operation: 'stop_vm', args: { vmid: 200 }, only: FROM_CHANGE, state: power('/nodes/pve/lxc/200', 'stopped') },
];
