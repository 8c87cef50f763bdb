import { demand } from '../../access/permissions.ts';
import {
  type Context,
  edit,
  findGuest,
  flag,
  guestOf,
  integer,
  missingConfig,
  needed,
  type Routes,
  refuseLocked,
  task,
  text,
  vmidOf,
} from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { driveKeys, isCloudInit, memoryOf, option } from '../../guest/config.ts';
import { hasBridge, settlePending } from '../../guest/hotplug.ts';
import { RUNNING_STATE, stateStorage } from '../../guest/saved-memory.ts';
import { allocate, findStorage, freeByName } from '../../guest/volumes.ts';
import type { Guest } from '../../model.ts';
import { interrupt, type Kinds, type Run, startTask } from '../../tasks.ts';
import type { World } from '../../world.ts';
import { finishHaRequest, throughHa } from './ha-request.ts';

const BOOT = 1_000;
const ACPI_REACTION = 2_000;
const AGENT_REACTION = 1_200;
const STOP = 400;
const DEFAULT_SHUTDOWN_TIMEOUT = 60;
/** A guest started within this of its stop meets the node's own clean-up, which then holds the lock. */
const QUICK = 1_500;
const CLEANUP = 30_000;

/** The guest a task works on, wherever it is now on that node. */
export function guestOfTask(run: Run, missing: (vmid: number) => string): Guest {
  const vmid = Number(run.task.args.vmid ?? run.task.id);
  const guest = run.world.guest(vmid);
  if (!guest || guest.node !== run.task.node) refuse(missing(vmid));
  return guest;
}

const noConfig = (run: Run) => (vmid: number) => missingConfig(run.task.node, 'qemu', vmid);
const notFound = (run: Run) => (vmid: number) => `unable to find configuration file for VM ${vmid} on node '${run.task.node}'`;

/** Stopped now: what was pending takes effect. */
export function setStopped(world: World, guest: Guest, at: number): void {
  const next = edit(guest);
  delete next.running;
  next.stoppedAt = at;
  settlePending(world, next);
  world.saveGuest(next, at);
}

export function setRunning(run: Run, guest: Guest, resumed = false): void {
  const next = edit(guest);
  settlePending(run.world, next);
  next.running = { since: run.at, pid: 20_000 + run.world.count('kvm'), ...(resumed ? { resumed: true } : {}) };
  run.world.saveGuest(next, run.at);
  cleanUpAfterQuickRestart(run, guest);
}

function cleanUpAfterQuickRestart(run: Run, guest: Guest): void {
  if (run.world.flag('quick-restart') !== '1' || run.at - (guest.stoppedAt ?? 0) > run.world.scaled(QUICK)) return;
  const wanted = { node: guest.node, type: 'cleanup', id: String(guest.vmid), owner: 'root@pam', kind: 'node-cleanup', hidden: true };
  const cleanup = startTask(run.world, POWER_KINDS, { ...wanted, locks: [guest.vmid] }, run.at);
  cleanup.state = 'running';
  cleanup.due = run.at + run.world.scaled(CLEANUP);
  run.world.saveTask(cleanup);
}

export function beginStart(run: Run): number {
  const guest = guestOfTask(run, noConfig(run));
  if (guest.config.template === '1') refuse("you can't start a vm if it's a template");
  // Started halted for its backup, it only has to go on.
  if (guest.config.lock === 'backup' && guest.running) return STOP;
  if (guest.config.lock !== 'suspended') refuseLocked(guest);
  if (guest.running) refuse(`VM ${guest.vmid} already running`);
  for (const key of driveKeys(guest.config)) {
    const value = guest.config[key] as string;
    if (isCloudInit(value)) run.log('generating cloud-init ISO');
    const misplaced = option(value, 'iothread') === '1' && key.startsWith('scsi') && guest.config.scsihw !== 'virtio-scsi-single';
    if (misplaced) run.warn('iothread is only valid with virtio disk or virtio-scsi-single controller, ignoring');
  }
  for (const [key, value] of Object.entries(guest.config)) {
    const bridge = /^net\d+$/.test(key) ? option(value, 'bridge') : undefined;
    if (bridge === undefined) continue;
    const mtu = option(value, 'mtu');
    if (mtu !== undefined && !value.startsWith('virtio')) run.warn(`netdev ${key}: ignoring MTU '${mtu}', not using VirtIO`);
    if (!hasBridge(run.world, guest.node, bridge)) refuse(`bridge '${bridge}' does not exist`);
  }
  if (guest.config.lock === 'suspended') {
    run.log('Resuming suspended VM');
    run.log("netdev net0: using 'host_mtu=1500' for migration compat");
    run.log(`activating and using '${guest.config.vmstate}' as vmstate`);
    run.log('Resumed VM, removing state');
  }
  return BOOT;
}

export function finishStart(run: Run): void {
  const guest = edit(guestOfTask(run, noConfig(run)));
  if (guest.running) {
    setPaused(false)(run);
    return;
  }
  const resumed = guest.config.lock === 'suspended';
  if (resumed) {
    freeByName(run.world, guest.node, guest.config.vmstate ?? '');
    for (const key of ['lock', 'vmstate', 'runningcpu', 'runningmachine', 'running-nets-host-mtu']) delete guest.config[key];
  }
  setRunning(run, guest, resumed);
}

export const wantsAgent = (guest: Guest): boolean => /^(enabled=)?1/.test(guest.config.agent ?? '');

/** How long the guest takes to go down by itself, ms; never when it ignores the button. */
function reaction(run: Run, guest: Guest): number {
  // Only with force: it is stopped at once.
  if (guest.running?.paused) return STOP;
  if (guest.running?.halted) return Number.POSITIVE_INFINITY;
  if (guest.type === 'lxc') return ACPI_REACTION;
  if (wantsAgent(guest) && guest.inside.agent) return AGENT_REACTION;
  if (wantsAgent(guest)) run.log(`QEMU Guest Agent is not running - VM ${guest.vmid} qga command 'guest-ping' failed - got timeout`);
  return guest.inside.acpi ? ACPI_REACTION : Number.POSITIVE_INFINITY;
}

export function beginShutdown(run: Run): number {
  const guest = guestOfTask(run, notFound(run));
  refuseLocked(guest);
  if (!guest.running) return 0;
  const timeout = Number(run.task.args.timeout ?? DEFAULT_SHUTDOWN_TIMEOUT) * 1000;
  const needs = reaction(run, guest);
  run.task.args.timedOut = needs > timeout;
  return Math.min(needs, timeout);
}

export function finishShutdown(run: Run): void {
  const guest = guestOfTask(run, notFound(run));
  if (!guest.running) return;
  if (run.task.args.timedOut && !run.task.args.force) refuse('VM quit/powerdown failed - got timeout');
  if (run.task.args.timedOut) run.log('VM still running - terminating now with SIGTERM');
  setStopped(run.world, guest, run.at);
}

function suspend(context: Context): string {
  mustRun(context);
  if (!flag(context, 'todisk')) return power(context, 'qmpause', 'pause');
  const { world, who } = context;
  demand(world, who, `/vms/${vmidOf(context)}`, ['VM.Config.Disk']);
  const storage = text(context, 'statestorage') ?? stateStorage(world, guestOf(context));
  demand(world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  return power(context, 'qmsuspend', 'suspend-to-disk', { storage });
}

function beginSuspendToDisk(run: Run): number {
  const guest = guestOfTask(run, noConfig(run));
  refuseLocked(guest);
  const storage = findStorage(run.world, String(run.task.args.storage));
  const day = new Date(run.at).toISOString().slice(0, 10);
  const size = Math.ceil(memoryOf(guest.config) * 2 + 500 * 1024 ** 2);
  run.task.args.vmstate = allocate(run.world, {
    node: guest.node,
    storage,
    vmid: guest.vmid,
    size,
    name: `state-suspend-${day}`,
    at: run.at,
    log: run.log,
  }).volid;
  return STOP;
}

function finishSuspendToDisk(run: Run): void {
  const guest = edit(guestOfTask(run, noConfig(run)));
  run.log('State saved, quitting');
  Object.assign(guest.config, {
    lock: 'suspended',
    vmstate: String(run.task.args.vmstate),
    ...RUNNING_STATE,
  });
  setStopped(run.world, guest, run.at);
}

const setPaused = (paused: boolean) => (run: Run) => {
  const guest = edit(guestOfTask(run, noConfig(run)));
  if (!guest.running) refuse(`VM ${guest.vmid} not running`);
  if (guest.config.lock !== 'backup') refuseLocked(guest);
  if (paused) guest.running.paused = true;
  else {
    delete guest.running.paused;
    delete guest.running.halted;
  }
  run.world.saveGuest(guest, run.at);
};

/** A hard stop or a reset. */
function beginCut(run: Run): number {
  const guest = guestOfTask(run, notFound(run));
  if (guest.running) refuseLocked(guest);
  return guest.running ? STOP : 0;
}

export const POWER_KINDS: Kinds = {
  start: { begin: beginStart, finish: finishStart },
  stop: {
    begin: beginCut,
    finish: (run) => {
      const guest = guestOfTask(run, notFound(run));
      if (guest.running) setStopped(run.world, guest, run.at);
    },
  },
  shutdown: { begin: beginShutdown, finish: finishShutdown },
  reboot: {
    begin: (run) => beginShutdown(run) + BOOT,
    finish: (run) => {
      if (run.task.args.timedOut) refuse('VM quit/powerdown failed');
      setStopped(run.world, guestOfTask(run, noConfig(run)), run.at);
      setRunning(run, guestOfTask(run, noConfig(run)));
    },
  },
  reset: { begin: beginCut },
  pause: { finish: setPaused(true) },
  resume: { finish: setPaused(false) },
  'suspend-to-disk': { begin: beginSuspendToDisk, finish: finishSuspendToDisk },
  'ha-request': { finish: finishHaRequest },
  'node-cleanup': {},
};

function rootOnly(context: Context, name: string): void {
  if (text(context, name) !== undefined) invalid({ [name]: 'Only root may use this option.' });
}

/** A power task of the guest in the path; the guest itself is looked at by the task. */
function power(context: Context, type: string, kind: string, args: Record<string, unknown> = {}, log: string[] = []): string {
  const vmid = vmidOf(context);
  return task(context, { type, id: String(vmid), kind, args, locks: [vmid], log });
}

function mustRun(context: Context): void {
  const guest = guestOf(context);
  if (!guest.running) refuse(`VM ${guest.vmid} not running`);
}

function stop(context: Context): string {
  rootOnly(context, 'skiplock');
  if (!findGuest(context)?.running) return power(context, 'qmstop', 'stop');
  const managed = context.world.get('ha', `vm:${vmidOf(context)}`);
  if (managed && managed.state !== 'ignored' && flag(context, 'overrule-shutdown'))
    invalid({ 'overrule-shutdown': 'Not applicable for HA resources.' });
  const viaHa = throughHa(context, 'stopped');
  if (viaHa) return viaHa;
  const log: string[] = [];
  if (flag(context, 'overrule-shutdown')) {
    const pending = context.world.openTasks().filter((open) => open.type === 'qmshutdown' && open.id === needed(context, 'vmid'));
    for (const open of pending) interrupt(context.world, context.kinds, open, context.at);
    if (pending.length > 0) log.push(`overruled qmshutdown tasks: ${pending.map((open) => open.upid).join(', ')}`);
  }
  return power(context, 'qmstop', 'stop', {}, log);
}

export const POWER_ROUTES: Routes = {
  'POST /nodes/{node}/qemu/{vmid}/status/start': (context) => {
    rootOnly(context, 'skiplock');
    const guest = findGuest(context);
    return (guest && !guest.running ? throughHa(context, 'started') : undefined) ?? power(context, 'qmstart', 'start');
  },
  'POST /nodes/{node}/qemu/{vmid}/status/stop': stop,
  'POST /nodes/{node}/qemu/{vmid}/status/shutdown': (context) => {
    rootOnly(context, 'skiplock');
    const args = { timeout: integer(context, 'timeout'), force: flag(context, 'forceStop') };
    if (findGuest(context)?.running?.paused && !args.force) refuse('VM is paused - cannot shutdown');
    return (findGuest(context)?.running ? throughHa(context, 'stopped') : undefined) ?? power(context, 'qmshutdown', 'shutdown', args);
  },
  'POST /nodes/{node}/qemu/{vmid}/status/reboot': (context) => {
    mustRun(context);
    return power(context, 'qmreboot', 'reboot', { timeout: integer(context, 'timeout') });
  },
  'POST /nodes/{node}/qemu/{vmid}/status/reset': (context) => {
    mustRun(context);
    return power(context, 'qmreset', 'reset');
  },
  'PUT /nodes/{node}/qemu/{vmid}/sendkey': (context) => {
    mustRun(context);
    return null;
  },
  'POST /nodes/{node}/qemu/{vmid}/status/suspend': suspend,
  'POST /nodes/{node}/qemu/{vmid}/status/resume': (context) => {
    mustRun(context);
    return power(context, 'qmresume', 'resume');
  },
};
