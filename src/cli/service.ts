import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fail } from '../core/errors.ts';
import { type Exit, note, print } from './output.ts';

const UNIT_FILE = '/etc/systemd/system/proxmox-mcp.service';
const USER = 'proxmox-mcp';

interface ServiceOptions {
  write?: true;
  user?: string;
}

/**
 * `service install`: a systemd unit under which the server runs as a user of its own. That user alone can read the Proxmox token, the store
 * and the audit, so an agent with a shell on the same machine cannot go around the approvals.
 */
export function install({ write, user = USER }: ServiceOptions): Exit {
  if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(user)) fail('invalid_arguments', '--user is not a name of a Linux user.');
  const unit = unitText({ node: process.execPath, entry: realpathSync(entryFile()), user });
  if (!write) {
    print(unit);
    note(`# Write it with: sudo proxmox-mcp service install --write`);
    return 0;
  }
  if (process.getuid?.() !== 0)
    fail('invalid_configuration', `${UNIT_FILE} can only be written by root.`, {
      hint: 'Run it with sudo, or without --write to look at it.',
    });
  const existed = existsSync(UNIT_FILE);
  writeFileSync(UNIT_FILE, unit, { mode: 0o644 });
  print(`${UNIT_FILE} is ${existed ? 'replaced' : 'written'}. Now:\n${nextSteps(user)}`);
  return 0;
}

function entryFile(): string {
  return process.argv[1] ?? fileURLToPath(import.meta.url);
}

/** @param node path of the Node binary; @param entry path of the server */
export function unitText({ node, entry, user }: { node: string; entry: string; user: string }): string {
  return `[Unit]
Description=Proxmox VE for LLM agents (MCP)
Documentation=https://modelcontextprotocol.io
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User=${user}
Group=${user}
# root reads this file (0600, owned by root) and hands its content over: PROXMOX_HOST, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET, …
EnvironmentFile=/etc/proxmox-mcp/env
Environment=PROXMOX_DATA_DIR=/var/lib/proxmox-mcp
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

function nextSteps(user: string): string {
  return [
    `  useradd --system --home-dir /var/lib/proxmox-mcp --shell /usr/sbin/nologin ${user}`,
    '  install -d -m 0755 /etc/proxmox-mcp',
    '  install -m 0600 /dev/null /etc/proxmox-mcp/env    # then write PROXMOX_HOST, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET into it',
    '  systemctl daemon-reload',
    `  systemd-run --pipe --wait -p User=${user} -p EnvironmentFile=/etc/proxmox-mcp/env -p StateDirectory=proxmox-mcp \\`,
    '    -E PROXMOX_DATA_DIR=/var/lib/proxmox-mcp proxmox-mcp trust --fingerprint AA:BB:…',
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
