import { type Context, edit, flag, guestOf, integer, type Routes, refuseLocked, task, text, vmidOf } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { option } from '../../guest/config.ts';
import { hasBridge } from '../../guest/hotplug.ts';
import { listRow } from '../../guest/status.ts';
import type { Guest } from '../../model.ts';
import { interrupt, type Kinds, type Run } from '../../tasks.ts';
import { throughHa } from '../guest/ha-request.ts';
import { beginShutdown, finishShutdown, setRunning, setStopped } from '../guest/power.ts';
import { ctOfTask, netsOf } from './parts.ts';

const START = 800;

function status(context: Context): unknown {
  const guest = guestOf(context, 'lxc');
  const node = context.world.get('node', guest.node);
  const ha = context.world.get('ha', `ct:${guest.vmid}`);
  return { ...listRow(guest, context.at, node?.cpus ?? 1), ha: ha ? { managed: 1, state: ha.state } : { managed: 0 } };
}

function power(context: Context, type: string, kind: string, args: Record<string, unknown> = {}): string {
  const vmid = vmidOf(context);
  return task(context, { type, id: String(vmid), kind, args, locks: [vmid] });
}

function mustRun(context: Context): void {
  const guest = guestOf(context, 'lxc');
  if (!guest.running) refuse(`CT ${guest.vmid} not running`);
}

function rootOnly(context: Context): void {
  if (text(context, 'skiplock') !== undefined) invalid({ skiplock: 'Only root may use this option.' });
}

function interfaces(context: Context): unknown {
  const guest = guestOf(context, 'lxc');
  if (!guest.running) return null;
  const loopback = {
    name: 'lo',
    hwaddr: '00:00:00:00:00:00',
    inet: '127.0.0.1/8',
    inet6: '::1/128',
    'hardware-address': '00:00:00:00:00:00',
  };
  const addressed = (inet: string) => [{ 'ip-address': inet.split('/')[0], prefix: inet.split('/')[1], 'ip-address-type': 'inet' }];
  const cards = netsOf(guest.config).map((value) => {
    const configured = option(`,${value}`, 'ip');
    const inet = configured?.includes('/') ? configured : `10.77.0.${(guest.vmid % 240) + 10}/24`;
    const mac = (option(`,${value}`, 'hwaddr') ?? '').toLowerCase();
    return { name: option(`,${value}`, 'name') ?? 'eth0', hwaddr: mac, 'hardware-address': mac, inet, 'ip-addresses': addressed(inet) };
  });
  return [{ ...loopback, 'ip-addresses': addressed('127.0.0.1/8') }, ...cards];
}

/** Disks that are mounted in the node's shell stop neither a start nor a hard stop. */
function checkMounted(guest: Guest): void {
  if (guest.config.lock !== 'mounted') refuseLocked(guest);
}

function beginStop(run: Run): number {
  checkMounted(ctOfTask(run));
  return 300;
}

function beginStart(run: Run): number {
  const guest = ctOfTask(run);
  if (guest.config.template === '1') refuse("you can't start a CT if it's a template");
  checkMounted(guest);
  for (const value of netsOf(guest.config)) {
    const bridge = option(`,${value}`, 'bridge');
    if (bridge !== undefined && !hasBridge(run.world, guest.node, bridge)) {
      run.log(`bridge '${bridge}' does not exist`);
      refuse(`startup for container '${guest.vmid}' failed`);
    }
  }
  return START;
}

const setFrozen = (paused: boolean) => (run: Run) => {
  const guest = edit(ctOfTask(run));
  if (!guest.running) refuse(`CT ${guest.vmid} not running`);
  if (paused) guest.running.paused = true;
  else delete guest.running.paused;
  run.world.saveGuest(guest, run.at);
};

export const POWER_CT_KINDS: Kinds = {
  'ct-start': { begin: beginStart, finish: (run) => setRunning(run, ctOfTask(run)) },
  'ct-stop': { begin: beginStop, finish: (run) => setStopped(run.world, ctOfTask(run), run.at) },
  'ct-shutdown': { begin: beginShutdown, finish: finishShutdown },
  'ct-reboot': {
    begin: (run) => beginShutdown(run) + START,
    finish: (run) => {
      setStopped(run.world, ctOfTask(run), run.at);
      setRunning(run, ctOfTask(run));
    },
  },
  'ct-suspend': { finish: setFrozen(true) },
  'ct-resume': { finish: setFrozen(false) },
};

function stop(context: Context): string {
  rootOnly(context);
  mustRun(context);
  const managed = context.world.get('ha', `ct:${vmidOf(context)}`);
  if (managed && flag(context, 'overrule-shutdown')) invalid({ 'overrule-shutdown': 'Not applicable for HA resources.' });
  const asked = throughHa(context, 'stopped', 'lxc');
  if (asked !== undefined) return asked;
  if (flag(context, 'overrule-shutdown')) {
    const id = String(vmidOf(context));
    const pending = context.world.openTasks().filter((open) => open.type === 'vzshutdown' && open.id === id);
    for (const open of pending) interrupt(context.world, context.kinds, open, context.at);
  }
  return power(context, 'vzstop', 'ct-stop');
}

const BASE = '/nodes/{node}/lxc/{vmid}';

export const POWER_CT_ROUTES: Routes = {
  [`GET ${BASE}/status/current`]: status,
  [`GET ${BASE}/interfaces`]: interfaces,
  [`POST ${BASE}/status/start`]: (context) => {
    rootOnly(context);
    const guest = guestOf(context, 'lxc');
    if (guest.config.template === '1') refuse("you can't start a CT if it's a template");
    if (guest.running) refuse(`CT ${guest.vmid} already running`);
    return throughHa(context, 'started', 'lxc') ?? power(context, 'vzstart', 'ct-start');
  },
  [`POST ${BASE}/status/stop`]: stop,
  [`POST ${BASE}/status/shutdown`]: (context) => {
    mustRun(context);
    const args = { timeout: integer(context, 'timeout'), force: flag(context, 'forceStop') };
    return throughHa(context, 'stopped', 'lxc') ?? power(context, 'vzshutdown', 'ct-shutdown', args);
  },
  [`POST ${BASE}/status/reboot`]: (context) => {
    const guest = guestOf(context, 'lxc');
    if (!guest.running) refuse(`VM ${guest.vmid} not running`);
    return power(context, 'vzreboot', 'ct-reboot', { timeout: integer(context, 'timeout') });
  },
  [`POST ${BASE}/status/suspend`]: (context) => {
    mustRun(context);
    return power(context, 'vzsuspend', 'ct-suspend');
  },
  [`POST ${BASE}/status/resume`]: (context) => {
    const guest = guestOf(context, 'lxc');
    if (guest.running && !guest.running.paused) refuse(`CT ${guest.vmid} already running`);
    return power(context, 'vzresume', 'ct-resume');
  },
};
