import { demand, may, type Who } from '../../access/permissions.ts';
import { type Context, flag, integer, nodeOf, type Routes, task, text } from '../../context.ts';
import { findMethod } from '../../contract.ts';
import { forbid, invalid, refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import type { Guest } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { LXC_ROUTES } from '../lxc/lxc.ts';
import { MIGRATE_ROUTES, preconditions } from './migrate.ts';
import { POWER_ROUTES } from './power.ts';

/** How often a job over several guests looks after its tasks, ms. */
const LOOK = 500;

const SINGLE: Routes = { ...LXC_ROUTES, ...MIGRATE_ROUTES, ...POWER_ROUTES };

type Action = 'start' | 'shutdown' | 'suspend' | 'migrate';

interface Args {
  action: Action;
  queue: number[];
  running: { upid: string; vmid: number }[];
  failed: number[];
  workers: number;
  who: Who;
  /** Parameters of each single call. */
  params: Record<string, string>;
  /** The job is over one node: what fails is only told in its log. */
  lenient: boolean;
}

const word = (guest: Guest): string => (guest.type === 'qemu' ? 'VM' : 'CT');

/** The single call for one guest, as the caller would send it. */
function callFor(run: Run, guest: Guest): { method: string; path: string; params: Record<string, string> } {
  const { action, params } = run.task.args as unknown as Args;
  const base = `/nodes/${guest.node}/${guest.type}/${guest.vmid}`;
  if (action !== 'migrate') return { method: 'POST', path: `${base}/status/${action}`, params };
  const { target = '', online = '1', ...rest } = params;
  const how = guest.running && online === '1' ? (guest.type === 'lxc' ? { restart: '1' } : { online: '1' }) : {};
  return { method: 'POST', path: `${base}/migrate`, params: { target, ...how, ...(guest.type === 'qemu' ? rest : {}) } };
}

function contextOf(run: Run, call: ReturnType<typeof callFor>): Context {
  const { method, uri } = findMethod(call.method, call.path) ?? refuse(`no handler for '${call.path}'`);
  const { who } = run.task.args as unknown as Args;
  const params = { ...call.params, ...uri };
  return {
    world: run.world,
    who,
    method,
    params,
    at: run.at,
    kinds: run.kinds,
    fault: undefined,
    certificates: { ca: '', cert: '', fingerprint: '' },
  };
}

/** Why a guest cannot go to the other node at all; a job over a node looks before it starts. */
function blockers(context: Context, params: Record<string, string>): string {
  const found = preconditions(context) as {
    running: number;
    local_disks: { volid: string }[];
    local_resources: string[];
    not_allowed_nodes: Record<string, { unavailable_storages?: string[] }>;
  };
  const missing = found.not_allowed_nodes[params.target ?? '']?.unavailable_storages ?? [];
  const local = found.running === 1 && params['with-local-disks'] !== '1' ? found.local_disks.map(({ volid }) => volid) : [];
  return [
    local.length > 0 ? `\n  Has local disks: ${local.join(', ')}` : '',
    found.local_resources.length > 0 ? `\n  Has local resources: ${found.local_resources.join(', ')}` : '',
    missing.length > 0 ? `\n  Has unavailable storages: ${missing.join(', ')}` : '',
  ].join('');
}

/** Lines that the log shows before a single call. */
function announce(run: Run, guest: Guest): void {
  const { action, params, lenient } = run.task.args as unknown as Args;
  if (action === 'start') run.log(`Starting ${word(guest)} ${guest.vmid}`);
  else if (action === 'suspend') run.log(`Suspending ${word(guest)} ${guest.vmid}`);
  else if (action === 'migrate') run.log(`Migrating ${word(guest)} ${guest.vmid}`);
  else if (lenient) run.log(`Stopping ${word(guest)} ${guest.vmid} (timeout = ${params.timeout ?? 180} seconds)`);
  else run.log(`Shutting down ${word(guest)} ${guest.vmid} (Timeout = ${params.timeout ?? 180} seconds)`);
}

function startOne(run: Run, vmid: number): void {
  const args = run.task.args as unknown as Args;
  const guest = run.world.guest(vmid);
  if (!guest) return;
  const isThere = args.action === 'start' ? guest.running !== undefined : args.action === 'migrate' ? false : guest.running === undefined;
  if (isThere) return;
  if (args.action === 'migrate' && guest.node === args.params.target) {
    run.warn(`${word(guest)} ${vmid} already on ${guest.node}, skipping.`);
    return;
  }
  const call = callFor(run, guest);
  const context = contextOf(run, call);
  const handler = SINGLE[`${call.method} ${context.method.path}`];
  const reason = args.lenient && args.action === 'migrate' && guest.type === 'qemu' ? blockers(context, args.params) : '';
  if (reason !== '') {
    run.log(`skip VM ${vmid} - precondition check failed:${reason}`);
    args.failed.push(vmid);
    return;
  }
  announce(run, guest);
  try {
    args.running.push({ upid: String(handler?.(context)), vmid });
  } catch (error) {
    run.warn((error as Error).message);
    args.failed.push(vmid);
  }
}

/** Notes the tasks that have ended and starts as many as may run at once; asked again until none is left. */
function step(run: Run): number | undefined {
  const args = run.task.args as unknown as Args;
  for (const { upid, vmid } of args.running) {
    const single = run.world.task(upid);
    if (single?.state !== 'done' || single.exit === 'OK' || single.exit?.startsWith('WARNINGS')) continue;
    run.warn(`${args.action} of ${vmid} failed: ${single.exit}`);
    args.failed.push(vmid);
  }
  args.running = args.running.filter(({ upid }) => run.world.task(upid)?.state !== 'done');
  while (args.running.length < args.workers && args.queue.length > 0) startOne(run, args.queue.shift() as number);
  if (args.running.length > 0) return LOOK;
  return undefined;
}

function finish(run: Run): void {
  const { action, failed, lenient } = run.task.args as unknown as Args;
  if (failed.length > 0 && !lenient) refuse(`Some guests failed to ${action} ${failed.join(', ')}`);
}

/** The right on the whole cluster, or on each guest that is named. */
function checkRights(context: Context, vmids: number[], priv: string): void {
  const { world, who } = context;
  if (may(world, who, '/', [priv])) return;
  if (vmids.length === 0) forbid(`/, ${priv}`);
  for (const vmid of vmids) demand(world, who, `/vms/${vmid}`, [priv]);
}

interface Job {
  action: Action;
  type: string;
  node?: string;
  named: number[];
  /** Whether a guest that was not named is meant. */
  meant: (guest: Guest) => boolean;
  workers: number;
  params?: Record<string, string>;
}

/** Starts the job; without a list of guests it is for every one that is meant. */
function start(context: Context, job: Job): string {
  checkRights(context, job.named, job.action === 'migrate' ? 'VM.Migrate' : 'VM.PowerMgmt');
  const all = [...context.world.guests().values()].filter((guest) => job.node === undefined || guest.node === job.node);
  const wanted = all.filter((guest) => (job.named.length > 0 ? job.named.includes(guest.vmid) : job.meant(guest)));
  const queue = wanted.filter(({ config }) => job.action === 'migrate' || config.template !== '1').map(({ vmid }) => vmid);
  const { action, workers, params = {} } = job;
  const args: Args = { action, queue, running: [], failed: [], workers, who: context.who, params, lenient: job.node !== undefined };
  const node = job.node ?? [...context.world.all('node').values()].find(({ online }) => online)?.node ?? '';
  return task(context, { type: job.type, id: '', node, kind: 'bulk', args: { ...args } });
}

const list = (value: unknown): number[] => (Array.isArray(value) ? value : splitList(String(value ?? ''))).map(Number);

/** The given options under the names of the single calls. */
function given(context: Context, names: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, single]) => {
      const value = text(context, name);
      return value === undefined ? [] : [[single, value]];
    }),
  );
}

const workersOf = (context: Context, fallback: number): number =>
  integer(context, 'max-workers') ?? integer(context, 'maxworkers') ?? fallback;

const SHUTDOWN = (context: Context) => ({
  timeout: '180',
  ...given(context, { timeout: 'timeout' }),
  forceStop: text(context, 'force-stop') ?? '1',
});

function migrateAll(context: Context, node: string | undefined): string {
  const target = text(context, 'target') ?? '';
  if (target === node) invalid({ target: 'target is local node.' });
  if (!context.world.get('node', target)) refuse(`no such cluster node '${target}'`);
  const workers = workersOf(context, node === undefined ? 1 : 0);
  if (workers === 0) {
    checkRights(context, list(context.params.vms), 'VM.Migrate');
    refuse("either 'max-workers' parameter or max_workers in datacenter.cfg must be set!");
  }
  const params = { target, ...given(context, { 'with-local-disks': 'with-local-disks', online: 'online' }) };
  const type = node === undefined ? 'bulk-migrate' : 'migrateall';
  const online: Record<string, string> = node === undefined ? { online: '0' } : {};
  const job = { action: 'migrate' as const, type, named: list(context.params.vms), meant: () => true, workers };
  return start(context, { ...job, ...(node === undefined ? {} : { node }), params: { ...online, ...params } });
}

export const BULK_KINDS: Kinds = { bulk: { wait: step, finish } };

const GUEST = '/cluster/bulk-action/guest';
const isRunning = (guest: Guest): boolean => guest.running !== undefined;

export const BULK_ROUTES: Routes = {
  'POST /nodes/{node}/startall': (context) => {
    const meant = ({ config }: Guest) => flag(context, 'force') || config.onboot === '1';
    const named = list(context.params.vms);
    return start(context, { action: 'start', type: 'startall', node: nodeOf(context), named, meant, workers: workersOf(context, 4) });
  },
  'POST /nodes/{node}/stopall': (context) => {
    const job = { type: 'stopall', node: nodeOf(context), named: list(context.params.vms), meant: isRunning };
    return start(context, { action: 'shutdown', ...job, workers: workersOf(context, 4), params: SHUTDOWN(context) });
  },
  'POST /nodes/{node}/suspendall': (context) => {
    const job = { type: 'suspendall', node: nodeOf(context), named: list(context.params.vms), meant: isRunning };
    return start(context, { action: 'suspend', ...job, workers: workersOf(context, 4) });
  },
  'POST /nodes/{node}/migrateall': (context) => migrateAll(context, nodeOf(context)),
  'GET /cluster/bulk-action': () => [{ subdir: 'guest' }],
  'GET /cluster/bulk-action/guest': () => ['start', 'shutdown', 'suspend', 'migrate'].map((subdir) => ({ subdir })),
  [`POST ${GUEST}/start`]: (context) =>
    start(context, {
      action: 'start',
      type: 'bulk-start',
      named: list(context.params.vms),
      meant: () => true,
      workers: workersOf(context, 4),
    }),
  [`POST ${GUEST}/shutdown`]: (context) => {
    const job = { type: 'bulk-shutdown', named: list(context.params.vms), meant: isRunning, workers: workersOf(context, 4) };
    return start(context, { action: 'shutdown', ...job, params: SHUTDOWN(context) });
  },
  [`POST ${GUEST}/suspend`]: (context) => {
    const job = { type: 'bulk-suspend', named: list(context.params.vms), meant: isRunning, workers: workersOf(context, 4) };
    return start(context, { action: 'suspend', ...job, params: given(context, { 'to-disk': 'todisk', statestorage: 'statestorage' }) });
  },
  [`POST ${GUEST}/migrate`]: (context) => migrateAll(context, undefined),
};
