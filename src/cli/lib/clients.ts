import { homedir, platform } from 'node:os';
import { join } from 'node:path';
import type { Json, JsonObject } from '../../core/text/json.ts';

/** How a client reaches the server: it starts a program, or calls an address with an access token. */
export type Connection = { kind: 'stdio'; name: string; command: string; args: string[] } | { kind: 'http'; name: string; url: string };
type Stdio = Extract<Connection, { kind: 'stdio' }>;
type Http = Extract<Connection, { kind: 'http' }>;

/** A configuration as its client reads it: an object for a JSON file, else text. */
export type Configuration = { format: 'json'; value: JsonObject } | { format: 'toml' | 'yaml' | 'shell' | 'steps'; text: string };

export interface McpClient {
  /** Where the configuration goes, for people. */
  where: string;
  /** The JSON file of the user that holds it, where it can be written for them. */
  file?: () => string;
  /** Absent: the client starts no programs. */
  stdio?: (one: Stdio) => Configuration;
  /** Absent: the client reaches servers through a program only, so the configuration starts `connect`. */
  http?: (one: Http) => Configuration;
}

/** The variable that `connect` reads too. Clients that replace variables get its name, so that the token is not in their file. */
const TOKEN_VARIABLE = 'PROXMOX_MCP_TOKEN';
/** Stands for the token in a file of a client that does not replace variables. */
export const TOKEN_PLACEHOLDER = 'ACCESS_TOKEN';

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const json = (value: JsonObject): Configuration => ({ format: 'json', value });
/** One entry in the member of that name. */
const entry = (member: string, name: string, value: JsonObject) => json({ [member]: { [name]: value } });
const program = ({ command, args }: Stdio) => ({ command, args });
const quoted = (text: Json) => JSON.stringify(text);

const inHome = (...parts: string[]) => join(homedir(), ...parts);

/** The folder of a desktop application's settings. */
function applicationData(): string {
  if (platform() === 'darwin') return inHome('Library', 'Application Support');
  if (platform() === 'win32') return process.env.APPDATA ?? inHome('AppData', 'Roaming');
  return process.env.XDG_CONFIG_HOME || inHome('.config');
}

/** A word of a shell command. */
export function shellWord(text: string): string {
  return /^[\w./@:+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The clients that are known, each in the shape that its documentation gives, or where it has none, that others use (read in November 2026). */
export const CLIENTS: Record<string, McpClient> = {
  'claude-desktop': {
    where: 'Settings → Developer → Edit Config (claude_desktop_config.json). Then restart Claude Desktop.',
    file: () => join(applicationData(), 'Claude', 'claude_desktop_config.json'),
    stdio: (one) => entry('mcpServers', one.name, program(one)),
  },
  'claude-code': {
    where: 'a terminal. --scope user makes it known in all projects.',
    stdio: ({ name, command, args }) => claude([name, '--', command, ...args]),
    http: ({ name, url }) => claude(['--transport', 'http', name, url, '--header', `Authorization: Bearer ${TOKEN_PLACEHOLDER}`]),
  },
  cursor: {
    where: '~/.cursor/mcp.json, or .cursor/mcp.json in a project.',
    file: () => inHome('.cursor', 'mcp.json'),
    stdio: (one) => entry('mcpServers', one.name, program(one)),
    http: ({ name, url }) => entry('mcpServers', name, { url, headers: bearer(`\${env:${TOKEN_VARIABLE}}`) }),
  },
  vscode: {
    where: '.vscode/mcp.json in a project, or the file that the command "MCP: Open User Configuration" opens.',
    stdio: (one) => entry('servers', one.name, { type: 'stdio', ...program(one) }),
    http: ({ name, url }) =>
      json({
        inputs: [{ type: 'promptString', id: 'proxmox-token', description: 'Access token of proxmox-mcp', password: true }],
        servers: { [name]: { type: 'http', url, headers: bearer(`\${input:proxmox-token}`) } },
      }),
  },
  codex: {
    where: '~/.codex/config.toml.',
    stdio: ({ name, command, args }) => toml(name, `command = ${quoted(command)}`, `args = [${args.map(quoted).join(', ')}]`),
    http: ({ name, url }) => toml(name, `url = ${quoted(url)}`, `bearer_token_env_var = "${TOKEN_VARIABLE}"`),
  },
  gemini: {
    where: '~/.gemini/settings.json, or .gemini/settings.json in a project.',
    file: () => inHome('.gemini', 'settings.json'),
    stdio: (one) => entry('mcpServers', one.name, program(one)),
    // `url` would be the older transport, SSE.
    http: ({ name, url }) => entry('mcpServers', name, { httpUrl: url, headers: bearer(`\${${TOKEN_VARIABLE}}`) }),
  },
  copilot: {
    where: '~/.copilot/mcp-config.json.',
    file: () => inHome('.copilot', 'mcp-config.json'),
    stdio: (one) => entry('mcpServers', one.name, { type: 'local', ...program(one), tools: ['*'] }),
    http: ({ name, url }) => entry('mcpServers', name, { type: 'http', url, headers: bearer(TOKEN_PLACEHOLDER), tools: ['*'] }),
  },
  opencode: {
    where: '~/.config/opencode/opencode.json, or opencode.json in a project.',
    stdio: ({ name, command, args }) => entry('mcp', name, { type: 'local', command: [command, ...args], enabled: true }),
    http: ({ name, url }) => entry('mcp', name, { type: 'remote', url, enabled: true, headers: bearer(`{env:${TOKEN_VARIABLE}}`) }),
  },
  windsurf: {
    where: '~/.codeium/windsurf/mcp_config.json. Then press Refresh in the MCP panel.',
    file: () => inHome('.codeium', 'windsurf', 'mcp_config.json'),
    stdio: (one) => entry('mcpServers', one.name, program(one)),
    http: ({ name, url }) => entry('mcpServers', name, { serverUrl: url, headers: bearer(`\${env:${TOKEN_VARIABLE}}`) }),
  },
  'lm-studio': {
    where: 'Program → Install → Edit mcp.json (~/.lmstudio/mcp.json).',
    file: () => inHome('.lmstudio', 'mcp.json'),
    stdio: (one) => entry('mcpServers', one.name, program(one)),
    http: ({ name, url }) => entry('mcpServers', name, { url, headers: bearer(TOKEN_PLACEHOLDER) }),
  },
  zed: {
    where: 'Zed\'s settings.json (the action "zed: open settings file").',
    stdio: (one) => entry('context_servers', one.name, { ...program(one), env: {} }),
    http: ({ name, url }) => entry('context_servers', name, { url, headers: bearer(TOKEN_PLACEHOLDER) }),
  },
  cline: {
    where: 'MCP Servers → Configure → Configure MCP Servers (cline_mcp_settings.json).',
    stdio: (one) => entry('mcpServers', one.name, { ...program(one), disabled: false, autoApprove: [] }),
    http: ({ name, url }) =>
      entry('mcpServers', name, { type: 'streamableHttp', url, headers: bearer(TOKEN_PLACEHOLDER), disabled: false, autoApprove: [] }),
  },
  goose: {
    where: '~/.config/goose/config.yaml.',
    stdio: ({ name, command, args }) =>
      yaml('extensions:', [`  ${name}:`, ...goose(name, 'stdio'), `    cmd: ${quoted(command)}`, `    args: ${quoted(args)}`]),
    http: ({ name, url }) =>
      yaml('extensions:', [
        `  ${name}:`,
        ...goose(name, 'streamable_http'),
        `    uri: ${quoted(url)}`,
        '    headers:',
        `      Authorization: ${quoted(`Bearer ${TOKEN_PLACEHOLDER}`)}`,
      ]),
  },
  continue: {
    where: '.continue/mcpServers/proxmox.yaml in a project. The list mcpServers also fits ~/.continue/config.yaml.',
    stdio: ({ name, command, args }) =>
      yaml(CONTINUE, [`  - name: ${name}`, `    command: ${quoted(command)}`, `    args: ${quoted(args)}`]),
    http: ({ name, url }) =>
      yaml(CONTINUE, [
        `  - name: ${name}`,
        '    type: streamable-http',
        `    url: ${quoted(url)}`,
        '    requestOptions:',
        '      headers:',
        `        Authorization: Bearer \${{ secrets.${TOKEN_VARIABLE} }}`,
      ]),
  },
  n8n: {
    where: 'a workflow: add the node "MCP Client Tool" to an AI Agent.',
    http: ({ url }) => ({
      format: 'steps',
      text: `Endpoint: ${url}\nServer Transport: HTTP Streamable\nAuthentication: Bearer Auth, with a credential that holds the access token\nTools to Include: All`,
    }),
  },
};

const CONTINUE = 'name: Proxmox VE\nversion: 0.0.1\nschema: v1\nmcpServers:';

function goose(name: string, type: string): string[] {
  return [`    name: ${name}`, `    type: ${type}`, '    enabled: true', '    timeout: 300'];
}

function toml(name: string, ...lines: string[]): Configuration {
  return { format: 'toml', text: [`[mcp_servers.${name}]`, ...lines].join('\n') };
}

function yaml(head: string, lines: string[]): Configuration {
  return { format: 'yaml', text: [head, ...lines].join('\n') };
}

function claude(words: string[]): Configuration {
  return { format: 'shell', text: `claude mcp add --scope user ${words.map(shellWord).join(' ')}` };
}
