import { type Context, guestOf, needed, type Routes } from '../../context.ts';
import { ApiError, refuse } from '../../errors.ts';
import { driveKeys, isCdrom, memoryOf, option, parseSize, vcpusOf } from '../../guest/config.ts';
import type { Guest } from '../../model.ts';
import { setStopped, wantsAgent } from '../guest/power.ts';

/** After this long since its start (ms) a guest's agent answers. */
const AGENT_READY = 3_000;
/** The hypervisor waits this long for an agent before it gives up (ms). */
const PATIENCE = 3_000;

/**
 * The guest, if its agent answers. What only reads does not look at the agent option: such a call on a running guest without the option
 * finds no agent at once.
 */
export function answering(context: Context): Guest {
  const guest = guestOf(context);
  if (!wantsAgent(guest) && (context.method.method !== 'GET' || !guest.running)) refuse('No QEMU guest agent configured');
  if (!guest.running) refuse(`VM ${guest.vmid} is not running`);
  if (!wantsAgent(guest)) refuse('QEMU guest agent is not running');
  const booted = guest.running.resumed || context.at >= guest.running.since + context.world.scaled(AGENT_READY);
  const ready = guest.inside.agent && booted && !guest.running.paused && !guest.running.halted;
  if (!ready) throw new ApiError(500, 'QEMU guest agent is not running', undefined, PATIENCE);
  const command = context.method.path.split('/agent/')[1] ?? String(context.params.command);
  if (isFrozen(context, guest) && !WHILE_FROZEN.has(command))
    refuse(`Agent error: Command guest-${command} has been disabled: the agent is in frozen state`);
  return guest;
}

/** Commands that an agent answers while its file systems are frozen. */
const WHILE_FROZEN = new Set(['ping', 'info', 'get-time', 'fsfreeze-status', 'fsfreeze-thaw']);

const isFrozen = (context: Context, guest: Guest): boolean => context.world.flag(`frozen ${guest.vmid}`) === String(guest.running?.since);

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

/** Its file systems: one on each disk. */
function fileSystems(guest: Guest): { name: string; mountpoint: string; size: number }[] {
  const disks = driveKeys(guest.config).filter((key) => !isCdrom(guest.config[key] ?? '') && !/^(efidisk|tpmstate)/.test(key));
  return disks.map((key, index) => {
    const letter = String.fromCharCode('a'.charCodeAt(0) + index);
    const size = parseSize(option(guest.config[key] ?? '', 'size') ?? '0');
    return { name: index === 0 ? `sd${letter}1` : `sd${letter}`, mountpoint: index === 0 ? '/' : `/data${index}`, size };
  });
}

function fsInfo(guest: Guest): unknown[] {
  return fileSystems(guest).map(({ name, mountpoint, size }, unit) => ({
    name,
    mountpoint,
    type: 'ext4',
    'total-bytes': Math.floor(size * 0.95),
    'total-bytes-privileged': size,
    'used-bytes': Math.floor(size * (guest.inside.load ? 0.91 : 0.37)),
    disk: [
      {
        dev: `/dev/${name}`,
        'bus-type': 'scsi',
        bus: 0,
        target: 0,
        unit,
        'pci-controller': { domain: 0, bus: 1, slot: 1, function: 0 },
      },
    ],
  }));
}

function freeze(context: Context): number {
  const guest = answering(context);
  context.world.setFlag(`frozen ${guest.vmid}`, String(guest.running?.since));
  return fileSystems(guest).length;
}

function thaw(context: Context): number {
  const guest = answering(context);
  const count = isFrozen(context, guest) ? fileSystems(guest).length : 0;
  context.world.setFlag(`frozen ${guest.vmid}`, '');
  return count;
}

function shutDown(context: Context): unknown {
  setStopped(context.world, answering(context), context.at);
  return {};
}

const COMMANDS =
  'get-cpustats get-diskstats ssh-remove-authorized-keys ssh-add-authorized-keys exec exec-status file-read file-write'.split(' ');

/** Simple commands by name; each answers with what the agent says. */
const SIMPLE: Record<string, (guest: Guest, context: Context) => unknown> = {
  ping: () => ({}),
  info: () => ({
    version: '7.2.22',
    supported_commands: COMMANDS.map((name) => ({ name: `guest-${name}`, enabled: true, 'success-response': true })),
  }),
  'network-get-interfaces': interfaces,
  'get-osinfo': () => OS,
  'get-host-name': (guest) => ({ 'host-name': guest.config.name ?? 'guest' }),
  'get-fsinfo': fsInfo,
  'get-time': (_guest, { at }) => at * 1_000_000,
  'get-timezone': () => ({ offset: 0, zone: 'UTC' }),
  'get-users': () => [],
  'get-vcpus': (guest) =>
    Array.from({ length: vcpusOf(guest.config) }, (_, id) => ({ 'logical-id': id, online: true, 'can-offline': id > 0 })),
  'get-memory-blocks': (guest) =>
    Array.from({ length: Math.max(1, Math.floor(memoryOf(guest.config) / 134_217_728)) }, (_, index) => ({
      'phys-index': index,
      online: true,
      'can-offline': true,
    })),
  'get-memory-block-info': () => ({ size: 134_217_728 }),
  'fsfreeze-status': (guest, context) => (isFrozen(context, guest) ? 'frozen' : 'thawed'),
  'fsfreeze-freeze': (_guest, context) => freeze(context),
  'fsfreeze-thaw': (_guest, context) => thaw(context),
  fstrim: (guest) => ({ paths: fileSystems(guest).map(({ mountpoint }) => ({ path: mountpoint, trimmed: 1_073_741_824, minimum: 0 })) }),
  shutdown: (_guest, context) => shutDown(context),
};

const simple = (context: Context, name: string): unknown => {
  const command = SIMPLE[name] ?? refuse(`Agent error: The command guest-${name} has not been found`);
  return { result: command(answering(context), context) };
};

const AGENT = '/nodes/{node}/qemu/{vmid}/agent';
const WITH_POST = new Set(['ping', 'fsfreeze-status', 'fsfreeze-freeze', 'fsfreeze-thaw', 'fstrim', 'shutdown']);

export const AGENT_ROUTES: Routes = {
  [`GET ${AGENT}`]: () =>
    [...Object.keys(SIMPLE), 'exec', 'exec-status', 'file-read', 'file-write', 'set-user-password'].map((name) => ({ name })),
  [`POST ${AGENT}`]: (context) => simple(context, needed(context, 'command')),
  ...Object.fromEntries(
    Object.keys(SIMPLE).map((name): [string, Routes[string]] => [
      `${WITH_POST.has(name) ? 'POST' : 'GET'} ${AGENT}/${name}`,
      (context) => simple(context, name),
    ]),
  ),
};
