import { existsSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fail } from '../../core/errors/errors.ts';
import { shellWord } from '../lib/clients.ts';
import { type Exit, note, print } from '../terminal/output.ts';
import { entryFile } from './client-config.ts';

const UNIT = 'proxmox-mcp.service';
const ENV_FILE = '/etc/proxmox-mcp/env';
const DATA_DIR = '/var/lib/proxmox-mcp';

interface ServiceOptions {
  write?: true;
  force?: true;
  folder: string;
  user: string;
}

interface Program {
  /** Path of the Node binary. */
  node: string;
  /** Path of the server. */
  entry: string;
  user: string;
}

/**
 * `service install`: a systemd unit under which the server runs as a user of its own. That user alone can read the Proxmox token, the store
 * and the audit. So an agent with a shell on the same machine cannot bypass the approvals.
 */
export function install({ write, force, folder, user }: ServiceOptions): Exit {
  if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(user)) fail('invalid_arguments', '--user must be the name of a Linux user.');
  const program = { node: realpathSync(process.execPath), entry: entryFile(), user };
  const weak = [program.node, program.entry].map(changeableBy).find((found) => found !== undefined);
  const why = weak && `${weak}: a user who can change the program of a service gets all its rights.`;
  const hint = 'Install it where root alone can write, for example in /opt/proxmox-mcp (docs/deployment.md).';
  const unit = unitText(program);
  if (!write) {
    print(unit);
    if (why) note(`# ${why}\n# ${hint}`);
    note(`# As root, --write writes it to ${folder}. Then:\n${nextSteps(program)}`);
    return 0;
  }
  if (why) fail('invalid_configuration', why, { hint });
  const file = join(folder, UNIT);
  print(`${file} is ${writeUnit(file, unit, force === true)}. Next, as root:\n${nextSteps(program)}`);
  return 0;
}

/**
 * Writes the unit, but never over one that was changed.
 * @returns what was done with the file
 */
export function writeUnit(file: string, unit: string, force: boolean): 'written' | 'replaced' | 'as it should be' {
  const present = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (present === unit) return 'as it should be';
  if (present !== undefined && !force)
    fail('invalid_configuration', `${file} exists with other content and was not overwritten.`, {
      hint: 'Move your changes to a drop-in (systemctl edit proxmox-mcp), then replace the file with --force.',
    });
  try {
    writeFileSync(file, unit, { mode: 0o644 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const remedy = code === 'EACCES' || code === 'EPERM' ? 'Run it as root' : 'Name a folder of systemd with --folder';
    fail('invalid_configuration', `${file} cannot be written (${code}).`, {
      hint: `${remedy}, or leave out --write to print the unit.`,
      cause,
    });
  }
  return present === undefined ? 'written' : 'replaced';
}

/** Why a user other than root can change the program or a folder above it; undefined where only root can. */
export function changeableBy(path: string): string | undefined {
  const { uid, mode } = statSync(path);
  if (uid !== 0) return `${path} belongs to user ${uid}`;
  // In a folder such as /tmp (sticky) others cannot replace what is not theirs.
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) return `${path} can be written by others`;
  return path === '/' ? undefined : changeableBy(dirname(path));
}

export function unitText({ node, entry, user }: Program): string {
  return `[Unit]
Description=Proxmox VE for LLM agents (MCP)
Documentation=https://modelcontextprotocol.io
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User=${user}
Group=${user}
# The connection and everything else that is set; readable by root and this user alone (0640).
EnvironmentFile=${ENV_FILE}
Environment=PROXMOX_DATA_DIR=${DATA_DIR}
ExecStart=${quote(node)} ${quote(entry)} http
Restart=on-failure
RestartSec=2
# Running work is finished or handed over; then what is left is cut.
TimeoutStopSec=60
StateDirectory=proxmox-mcp
StateDirectoryMode=0700
UMask=0077

NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=${needsHome(node, entry) ? 'read-only' : 'true'}
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
RemoveIPC=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: the JavaScript engine compiles at run time.

[Install]
WantedBy=multi-user.target
`;
}

function nextSteps({ node, entry, user }: Program): string {
  const as = (command: string) => `  runuser -u ${user} -- ${shellWord(node)} ${shellWord(entry)} ${command} --settings ${ENV_FILE}`;
  return [
    `  useradd --system --home-dir ${DATA_DIR} --shell /usr/sbin/nologin ${user}`,
    `  install -d -m 0700 -o ${user} -g ${user} ${DATA_DIR}`,
    `  install -d -m 0755 ${dirname(ENV_FILE)}`,
    `  install -m 0640 -g ${user} /dev/null ${ENV_FILE}`,
    `  # Write into it: PROXMOX_HOST, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET, and PROXMOX_DATA_DIR=${DATA_DIR}`,
    as('trust'),
    as('tokens add --name agent --role operator --owner YOUR-NAME'),
    '  systemctl daemon-reload',
    '  systemctl enable --now proxmox-mcp',
  ].join('\n');
}

/** Specifiers (%) and spaces have a meaning in units. */
function quote(path: string): string {
  const escaped = path.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return /[\s"'\\]/.test(path) ? `"${escaped}"` : escaped;
}

function needsHome(...paths: string[]): boolean {
  return paths.some((path) => /^\/(home|root|run\/user)\//.test(path));
}
