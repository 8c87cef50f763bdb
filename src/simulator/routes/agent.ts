import { type Context, edit, guestOf, integer, needed, type Routes, text } from '../context.ts';
import { ApiError, refuse } from '../errors.ts';
import type { Guest } from '../model.ts';
import { setStopped, wantsAgent } from './power.ts';

/** After this long since its start (ms) a guest's agent answers. */
const AGENT_READY = 3_000;
/** The hypervisor waits this long for an agent before it gives up (ms). */
const PATIENCE = 3_000;

/**
 * The guest, if its agent answers. What only reads does not look at the agent option: such a call on a running guest without the option
 * finds no agent at once.
 */
function answering(context: Context): Guest {
  const guest = guestOf(context);
  if (!wantsAgent(guest) && (context.method.method !== 'GET' || !guest.running)) refuse('No QEMU guest agent configured');
  if (!guest.running) refuse(`VM ${guest.vmid} is not running`);
  if (!wantsAgent(guest)) refuse('QEMU guest agent is not running');
  const booted = guest.running.resumed || context.at >= guest.running.since + context.world.scaled(AGENT_READY);
  const ready = guest.inside.agent && booted && !guest.running.paused && !guest.running.halted;
  if (!ready) throw new ApiError(500, 'QEMU guest agent is not running', undefined, PATIENCE);
  return guest;
}

const noTraffic = Object.fromEntries(
  ['rx', 'tx'].flatMap((way) => ['bytes', 'packets', 'errs', 'dropped'].map((what) => [`${way}-${what}`, 0])),
);

/** A link-local IPv6 address from a MAC, as the guest would form it. */
function linkLocal(mac: string): string {
  const octets = mac.split(':').map((octet) => Number.parseInt(octet, 16));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = octets;
  const group = (high: number, low: number) => ((high << 8) | low).toString(16);
  return `fe80::${group(a ^ 2, b)}:${group(c, 0xff)}:${group(0xfe, d)}:${group(e, f)}`;
}

function interfaces(guest: Guest): unknown[] {
  const loopback = {
    name: 'lo',
    'hardware-address': '00:00:00:00:00:00',
    'ip-addresses': [
      { 'ip-address-type': 'ipv4', 'ip-address': '127.0.0.1', prefix: 8 },
      { 'ip-address-type': 'ipv6', 'ip-address': '::1', prefix: 128 },
    ],
    statistics: noTraffic,
  };
  const cards = Object.keys(guest.config).filter((key) => /^net\d+$/.test(key));
  return [loopback, ...cards.map((key, index) => card(guest, key, index))];
}

function card(guest: Guest, key: string, index: number): unknown {
  const mac = (/=([0-9A-F:]{17})/i.exec(guest.config[key] ?? '')?.[1] ?? '').toLowerCase();
  const configured = /(?:^|,)ip=(\d[^/,]*)\/(\d+)/.exec(guest.config[`ipconfig${key.slice(3)}`] ?? '');
  const address = configured?.[1] ?? guest.inside.ip ?? `10.77.${index}.${(guest.vmid % 240) + 10}`;
  return {
    name: `eth${index}`,
    'hardware-address': mac,
    'ip-addresses': [
      { 'ip-address-type': 'ipv4', 'ip-address': address, prefix: Number(configured?.[2] ?? 24) },
      { 'ip-address-type': 'ipv6', 'ip-address': linkLocal(mac), prefix: 64 },
    ],
    statistics: noTraffic,
  };
}

const OS = {
  'kernel-version': '#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)',
  'kernel-release': '6.1.0-56-cloud-amd64',
  machine: 'x86_64',
};

/** A handful of commands that tests and people try; everything else exits with 127, as an unknown command does. */
function run(command: string[], guest: Guest): { out: string; exitcode: number } {
  const name = (command[0] ?? '').split('/').at(-1);
  if (name === 'echo') return { out: `${command.slice(1).join(' ')}\n`, exitcode: 0 };
  if (name === 'hostname') return { out: `${guest.config.name ?? 'guest'}\n`, exitcode: 0 };
  if (name === 'true' || name === 'poweroff' || name === 'busybox') return { out: '', exitcode: 0 };
  if (name === 'id') return { out: 'uid=0(root) gid=0(root) groups=0(root)\n', exitcode: 0 };
  return { out: '', exitcode: 127 };
}

function exec(context: Context): unknown {
  const guest = answering(context);
  const given = context.params.command;
  const command = Array.isArray(given) ? given : [given ?? ''];
  const pid = 150 + context.world.count('guest-pid');
  context.world.put('process', `${guest.vmid}/${pid}`, { pid, vmid: guest.vmid, ...run(command, guest) });
  if (command.some((word) => word.endsWith('poweroff'))) setStopped(context.world, guest, context.at);
  return { pid };
}

function execStatus(context: Context): unknown {
  const guest = answering(context);
  const done = context.world.get('process', `${guest.vmid}/${integer(context, 'pid')}`) ?? refuse("Agent error: Invalid parameter 'pid'");
  return { exited: 1, exitcode: done.exitcode, 'out-truncated': 0, ...(done.out ? { 'out-data': done.out } : {}) };
}

function fileWrite(context: Context): null {
  const guest = edit(answering(context));
  const file = needed(context, 'file');
  context.world.put('process', `${guest.vmid}/file/${file}`, {
    pid: 0,
    vmid: guest.vmid,
    out: text(context, 'content') ?? '',
    exitcode: 0,
  });
  return null;
}

function fileRead(context: Context): unknown {
  const guest = answering(context);
  const file = needed(context, 'file');
  const found = context.world.get('process', `${guest.vmid}/file/${file}`);
  if (!found) refuse(`Agent error: failed to open file '${file}' (mode: 'r'): No such file or directory`);
  return { content: found.out, 'bytes-read': Buffer.byteLength(found.out) };
}

const AGENT = '/nodes/{node}/qemu/{vmid}/agent';

export const AGENT_ROUTES: Routes = {
  [`POST ${AGENT}/ping`]: (context) => {
    answering(context);
    return { result: {} };
  },
  [`GET ${AGENT}/network-get-interfaces`]: (context) => ({ result: interfaces(answering(context)) }),
  [`GET ${AGENT}/get-osinfo`]: (context) => {
    answering(context);
    return { result: OS };
  },
  [`GET ${AGENT}/get-host-name`]: (context) => ({ result: { 'host-name': answering(context).config.name ?? 'guest' } }),
  [`POST ${AGENT}/exec`]: exec,
  [`GET ${AGENT}/exec-status`]: execStatus,
  [`POST ${AGENT}/file-write`]: fileWrite,
  [`GET ${AGENT}/file-read`]: fileRead,
};
