import { type Context, flag, integer, needed, type Routes, text } from '../../context.ts';
import { ApiError, refuse } from '../../errors.ts';
import { memoryOf } from '../../guest/config.ts';
import { loadAt } from '../../guest/status.ts';
import type { Guest } from '../../model.ts';
import { setStopped } from '../guest/power.ts';
import { answering } from './agent.ts';

/** The result of a program that has ended. */
interface Result {
  out?: string;
  err?: string;
  exitcode?: number;
  signal?: number;
  /** How long it runs, ms. */
  takes?: number;
}

const KIB = 1024;

/** Files that every guest has. */
function fileOf(context: Context, guest: Guest, file: string): string | undefined {
  const written = context.world.get('process', `${guest.vmid}/file/${file}`);
  if (written) return written.out;
  const name = guest.config.name ?? 'guest';
  const known: Record<string, string> = {
    '/etc/hostname': `${name}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n127.0.1.1 ${name}\n`,
    '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
  };
  return known[file];
}

const FOLDERS = new Set(['/', '/tmp', '/etc', '/root', '/var', '/var/log', '/home', '/usr']);

/** Lines of `free -m`. */
function free(context: Context, guest: Guest): string {
  const total = memoryOf(guest.config) / KIB ** 2;
  const used = Math.floor(total * loadAt(guest, context.at).memory);
  return `               total        used        free\nMem:  ${String(total).padStart(14)}${String(used).padStart(12)}${String(total - used).padStart(12)}\n`;
}

function systemctl([verb = '', unit = '']: string[]): Result {
  if (verb === 'is-active') return { out: 'active\n' };
  if (verb === 'status')
    return {
      out: `* ${unit}.service\n     Loaded: loaded (/lib/systemd/system/${unit}.service; enabled)\n     Active: active (running)\n`,
    };
  return ['start', 'stop', 'restart', 'reload'].includes(verb) ? {} : { err: `Unknown command verb '${verb}'.\n`, exitcode: 1 };
}

/** A shell that knows `echo`, `exit` and killing itself, which is enough to try what a caller makes of the outcome. */
function shell(script: string): Result {
  const result: Result & { out: string } = { out: '' };
  for (const line of script.split(/\s*(?:;|&&|\n)\s*/)) {
    const [, word = '', toError] = /^echo (.*?)\s*((?:>&2|1>&2)?)$/.exec(line) ?? [];
    if (line.startsWith('echo ') && toError) result.err = `${result.err ?? ''}${word}\n`;
    else if (line.startsWith('echo ')) result.out += `${word}\n`;
    const exit = /^exit (\d+)$/.exec(line)?.[1];
    if (exit !== undefined) return { ...result, exitcode: Number(exit) };
    const signal = /^kill -(\d+) \$\$$/.exec(line)?.[1];
    if (signal !== undefined) return { signal: Number(signal) };
  }
  return result;
}

/** Programs that the guest has; each gets its arguments. */
const PROGRAMS: Record<string, (args: string[], guest: Guest, context: Context) => Result> = {
  echo: (args) => ({ out: `${args.join(' ')}\n` }),
  hostname: (_args, guest) => ({ out: `${guest.config.name ?? 'guest'}\n` }),
  true: () => ({}),
  false: () => ({ exitcode: 1 }),
  busybox: () => ({}),
  poweroff: () => ({}),
  reboot: () => ({}),
  id: () => ({ out: 'uid=0(root) gid=0(root) groups=0(root)\n' }),
  whoami: () => ({ out: 'root\n' }),
  uname: (args, guest) => ({
    out: args.includes('-a') ? `Linux ${guest.config.name ?? 'guest'} 6.1.0-56-cloud-amd64 x86_64 GNU/Linux\n` : 'Linux\n',
  }),
  uptime: (_args, guest, { at }) => ({
    out: ` up ${Math.floor((at - (guest.running?.since ?? at)) / 60_000)} min,  load average: 0.05, 0.03, 0.00\n`,
  }),
  df: () => ({ out: 'Filesystem     1K-blocks    Used Available Use% Mounted on\n/dev/sda1       16196596 6021084   9482940  39% /\n' }),
  free: (_args, guest, context) => ({ out: free(context, guest) }),
  cat: ([file], guest, context) => {
    if (file === undefined) return { out: text(context, 'input-data') ?? '' };
    const content = fileOf(context, guest, file);
    return content === undefined ? { err: `cat: ${file}: No such file or directory\n`, exitcode: 1 } : { out: content };
  },
  sh: ([option, script = '']) => (option === '-c' ? shell(script) : {}),
  sleep: ([seconds = '0']) => ({ takes: Number(seconds) * 1_000 }),
  systemctl: (args) => systemctl(args),
};

const FOLDER = /^(\/usr)?\/s?bin\//;

/** A program that is missing breaks the connection: the agent's words are not plain ASCII, which the API does not survive. */
function programOf(name: string): (typeof PROGRAMS)[string] {
  const found = Object.hasOwn(PROGRAMS, name.replace(FOLDER, '')) ? PROGRAMS[name.replace(FOLDER, '')] : undefined;
  if (found) return found;
  throw new ApiError(596, 'Broken pipe');
}

function exec(context: Context): unknown {
  const guest = answering(context);
  const [name = '', ...args] = [context.params.command ?? ''].flat();
  const { out = '', err, exitcode = 0, signal, takes = 0 } = programOf(name)(args, guest, context);
  const pid = 150 + context.world.count('guest-pid');
  const until = context.at + context.world.scaled(takes);
  const more = { ...(err === undefined ? {} : { err }), ...(signal === undefined ? {} : { signal }) };
  context.world.put('process', `${guest.vmid}/${pid}`, { pid, vmid: guest.vmid, out, exitcode, until, ...more });
  if (name.endsWith('poweroff') || args.includes('poweroff')) setStopped(context.world, guest, context.at);
  return { pid };
}

function execStatus(context: Context): unknown {
  const guest = answering(context);
  const key = `${guest.vmid}/${integer(context, 'pid')}`;
  const done = context.world.get('process', key) ?? refuse("Agent error: Invalid parameter 'pid'");
  if (done.until !== undefined && context.at < done.until) return { exited: 0 };
  // The agent forgets a process whose end it has told.
  context.world.drop('process', key);
  if (done.signal !== undefined) return { exited: 1, signal: done.signal };
  return {
    exited: 1,
    exitcode: done.exitcode,
    'out-truncated': 0,
    ...(done.out ? { 'out-data': done.out } : {}),
    ...(done.err ? { 'err-data': done.err, 'err-truncated': 0 } : {}),
  };
}

const folderOf = (file: string): string => file.slice(0, Math.max(1, file.lastIndexOf('/')));

function fileWrite(context: Context): null {
  const guest = answering(context);
  const file = needed(context, 'file');
  if (!FOLDERS.has(folderOf(file))) refuse(`Agent error: failed to open file '${file}' (mode: 'wb'): No such file or directory`);
  const given = text(context, 'content') ?? '';
  const out = text(context, 'encode') === '0' ? Buffer.from(given, 'base64').toString('utf8') : given;
  context.world.put('process', `${guest.vmid}/file/${file}`, { pid: 0, vmid: guest.vmid, out, exitcode: 0 });
  return null;
}

function fileRead(context: Context): unknown {
  const guest = answering(context);
  const file = needed(context, 'file');
  if (FOLDERS.has(file)) refuse('Agent error: failed to read file: Is a directory');
  const content =
    fileOf(context, guest, file) ?? refuse(`Agent error: failed to open file '${file}' (mode: 'r'): No such file or directory`);
  const [offset, count] = [integer(context, 'offset') ?? 0, integer(context, 'count') ?? 16 * KIB ** 2];
  const bytes = Buffer.from(content).subarray(offset, offset + count);
  const isCut = offset + count < Buffer.byteLength(content);
  const shown = text(context, 'decode') === '0' ? bytes.toString('base64') : bytes.toString('utf8');
  return { content: shown, 'bytes-read': bytes.length, ...(isCut ? { truncated: 1 } : {}) };
}

function setPassword(context: Context): unknown {
  answering(context);
  if (flag(context, 'crypted') && !needed(context, 'password').startsWith('$')) refuse('Agent error: invalid password hash');
  return { result: {} };
}

const AGENT = '/nodes/{node}/qemu/{vmid}/agent';

export const AGENT_RUN_ROUTES: Routes = {
  [`POST ${AGENT}/exec`]: exec,
  [`GET ${AGENT}/exec-status`]: execStatus,
  [`POST ${AGENT}/file-write`]: fileWrite,
  [`GET ${AGENT}/file-read`]: fileRead,
  [`POST ${AGENT}/set-user-password`]: setPassword,
};
