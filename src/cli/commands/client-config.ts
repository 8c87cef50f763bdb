import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../core/errors.ts';
import { type Exit, note, printJson } from '../lib/output.ts';

/** The MCP clients we know, and where each of them keeps its configuration. */
const CLIENTS: Record<string, { key: 'mcpServers' | 'servers'; where: string }> = {
  'claude-desktop': {
    key: 'mcpServers',
    where: 'Settings → Developer → Edit Config (claude_desktop_config.json); then restart Claude Desktop',
  },
  'claude-code': { key: 'mcpServers', where: '.mcp.json in the project, or: claude mcp add-json proxmox \'<the value of "proxmox">\'' },
  cursor: { key: 'mcpServers', where: '~/.cursor/mcp.json, or .cursor/mcp.json in the project' },
  vscode: { key: 'servers', where: '.vscode/mcp.json in the project, or the command "MCP: Open User Configuration"' },
};

export const CLIENT_NAMES = Object.keys(CLIENTS);

/** `client-config`: a configuration with absolute paths, so that it works from any folder, and a second entry for the demo. */
export function clientConfig(client: string): Exit {
  const known = CLIENTS[client];
  if (!known) fail('invalid_arguments', `Unknown client "${client}".`, { hint: `Choose one of: ${Object.keys(CLIENTS).join(', ')}.` });
  printJson({ [known.key]: clientEntries(process.execPath, entryFile(), known.key === 'servers') });
  note(`\nPut it into: ${known.where}`);
  note(
    `The connection is read from ${join(homedir(), '.config/proxmox-mcp/env')} (chmod 600), so that no secret stands in the client's file:`,
  );
  note('  PROXMOX_HOST=192.168.1.10\n  PROXMOX_TOKEN_ID=mcp@pve!agent\n  PROXMOX_TOKEN_SECRET=…');
  return 0;
}

function clientEntries(node: string, entry: string, typed: boolean) {
  const type = typed ? { type: 'stdio' } : {};
  return {
    proxmox: { ...type, command: node, args: [entry, 'stdio'] },
    'proxmox-demo': { ...type, command: node, args: [entry, 'stdio', '--demo'] },
  };
}

/** The file that runs now, links resolved: a client starts it from anywhere. */
export function entryFile(): string {
  return realpathSync(process.argv[1] ?? '');
}
