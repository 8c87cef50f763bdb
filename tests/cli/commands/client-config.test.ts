import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, expect, test } from 'vitest';
import { CLIENTS } from '../../../src/cli/lib/clients.ts';
import { binary } from '../../helpers/binary.ts';
import { home, type Ran } from '../run.ts';

const place = home();
afterAll(place.remove);

const URL = 'https://mcp.example.org/mcp';
const command = process.execPath;
const args = [binary(), 'stdio'];
const token = (text: string) => ({ Authorization: `Bearer ${text}` });
const list = args.map((one) => JSON.stringify(one));

/** What each client is given: as its documentation shows it; codex, claude-code, gemini, copilot and opencode were asked themselves. */
const SHAPES: [client: string, stdio: unknown, http: unknown][] = [
  [
    'claude-desktop',
    { mcpServers: { proxmox: { command, args } } },
    {
      mcpServers: {
        proxmox: { command, args: [binary(), 'connect', URL, '--token-file', join(place.folder, '.config/proxmox-mcp/token')] },
      },
    },
  ],
  [
    'claude-code',
    `claude mcp add --scope user proxmox -- ${command} ${args.join(' ')}`,
    `claude mcp add --scope user --transport http proxmox ${URL} --header 'Authorization: Bearer ACCESS_TOKEN'`,
  ],
  [
    'cursor',
    { mcpServers: { proxmox: { command, args } } },
    { mcpServers: { proxmox: { url: URL, headers: token(`\${env:PROXMOX_MCP_TOKEN}`) } } },
  ],
  [
    'vscode',
    { servers: { proxmox: { type: 'stdio', command, args } } },
    {
      inputs: [{ type: 'promptString', id: 'proxmox-token', description: 'Access token of proxmox-mcp', password: true }],
      servers: { proxmox: { type: 'http', url: URL, headers: token(`\${input:proxmox-token}`) } },
    },
  ],
  [
    'codex',
    `[mcp_servers.proxmox]\ncommand = "${command}"\nargs = [${list.join(', ')}]`,
    `[mcp_servers.proxmox]\nurl = "${URL}"\nbearer_token_env_var = "PROXMOX_MCP_TOKEN"`,
  ],
  [
    'gemini',
    { mcpServers: { proxmox: { command, args } } },
    { mcpServers: { proxmox: { httpUrl: URL, headers: token(`\${PROXMOX_MCP_TOKEN}`) } } },
  ],
  [
    'copilot',
    { mcpServers: { proxmox: { type: 'local', command, args, tools: ['*'] } } },
    { mcpServers: { proxmox: { type: 'http', url: URL, headers: token('ACCESS_TOKEN'), tools: ['*'] } } },
  ],
  [
    'opencode',
    { mcp: { proxmox: { type: 'local', command: [command, ...args], enabled: true } } },
    { mcp: { proxmox: { type: 'remote', url: URL, enabled: true, headers: token('{env:PROXMOX_MCP_TOKEN}') } } },
  ],
  [
    'windsurf',
    { mcpServers: { proxmox: { command, args } } },
    { mcpServers: { proxmox: { serverUrl: URL, headers: token(`\${env:PROXMOX_MCP_TOKEN}`) } } },
  ],
  ['lm-studio', { mcpServers: { proxmox: { command, args } } }, { mcpServers: { proxmox: { url: URL, headers: token('ACCESS_TOKEN') } } }],
  [
    'zed',
    { context_servers: { proxmox: { command, args, env: {} } } },
    { context_servers: { proxmox: { url: URL, headers: token('ACCESS_TOKEN') } } },
  ],
  [
    'cline',
    { mcpServers: { proxmox: { command, args, disabled: false, autoApprove: [] } } },
    { mcpServers: { proxmox: { type: 'streamableHttp', url: URL, headers: token('ACCESS_TOKEN'), disabled: false, autoApprove: [] } } },
  ],
  [
    'goose',
    `extensions:\n  proxmox:\n    name: proxmox\n    type: stdio\n    enabled: true\n    timeout: 300\n    cmd: "${command}"\n    args: [${list.join(',')}]`,
    `extensions:\n  proxmox:\n    name: proxmox\n    type: streamable_http\n    enabled: true\n    timeout: 300\n    uri: "${URL}"\n    headers:\n      Authorization: "Bearer ACCESS_TOKEN"`,
  ],
  [
    'continue',
    `name: Proxmox VE\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: proxmox\n    command: "${command}"\n    args: [${list.join(',')}]`,
    `name: Proxmox VE\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: proxmox\n    type: streamable-http\n    url: "${URL}"\n    requestOptions:\n      headers:\n        Authorization: Bearer \${{ secrets.PROXMOX_MCP_TOKEN }}`,
  ],
];

async function shown(client: string, ...more: string[]): Promise<unknown> {
  return entryIn(await place.run(['client-config', client, ...more]));
}
function entryIn({ stdout, code, stderr }: Ran): unknown {
  expect(code, stderr).toBe(0);
  return stdout.startsWith('{') ? JSON.parse(stdout) : stdout.trimEnd();
}

test.each(SHAPES)(
  'client-config %s prints the one entry that was asked for, for a program and for an address',
  async (client, stdio, http) => {
    expect(await shown(client)).toEqual(stdio);
    expect(await shown(client, '--url', URL)).toEqual(http);
  },
);

test('every client is in this table, in the help and in the README; n8n has an address only', async () => {
  const names = Object.keys(CLIENTS);
  expect([...SHAPES.map(([name]) => name), 'n8n']).toEqual(names);
  const { stdout } = await place.run(['client-config', '--help']);
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
  for (const name of names) {
    expect(stdout).toContain(name);
    expect(readme).toContain(`\`${name}\``);
  }
  expect(await place.run(['client-config', 'n8n'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--url') });
  expect(await shown('n8n', '--url', URL)).toContain(`Endpoint: ${URL}\nServer Transport: HTTP Streamable`);
});

test('--demo prints the demo alone, and --settings stays in it: the server starts with both from anywhere', async () => {
  const file = join(place.folder, 'own.env');
  writeFileSync(file, 'PROXMOX_READ_ONLY=true\n', { mode: 0o600 });
  for (const option of ['--settings', '--env-file']) {
    const { mcpServers } = entryIn(await place.runBinary(['client-config', 'cursor', '--demo', option, 'own.env'])) as {
      mcpServers: Record<string, { command: string; args: string[] }>;
    };
    expect(mcpServers).toEqual({ 'proxmox-demo': { command, args: [...args, '--demo', '--settings', file] } });
    const entry = mcpServers['proxmox-demo'];
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StdioClientTransport({ command: entry?.command ?? '', args: entry?.args ?? [], cwd: '/', env: place.env }));
    const { tools } = await client.listTools();
    await client.close();
    expect(tools.map(({ name }) => name)).not.toContain('create_vm');
  }
  const note = (await place.runBinary(['client-config', 'cursor', '--settings', 'own.env'])).stderr;
  expect(note).toContain(`reads its settings from ${file}`);
});

test('the error of an unknown client lists the known ones', async () => {
  const ran = await place.run(['client-config', 'cursr']);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain('Did you mean cursor?');
  expect(ran.stderr).toContain('claude-desktop, claude-code, cursor, vscode');
});

test('--write adds the entry to the file, and nothing else in it changes', async () => {
  const own = home();
  const file = join(own.folder, '.cursor', 'mcp.json');
  mkdirSync(join(own.folder, '.cursor'));
  writeFileSync(file, JSON.stringify({ mcpServers: { other: { url: 'x' }, proxmox: { command: 'old', env: {} } }, more: 1 }));
  chmodSync(file, 0o640);
  expect((await own.run(['client-config', 'cursor', '--write'])).json).toEqual({ client: 'cursor', file });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ mcpServers: { other: { url: 'x' }, proxmox: { command, args } }, more: 1 });
  expect(statSync(file).mode & 0o777).toBe(0o640);
  writeFileSync(file, '{ // a comment\n}');
  const refused = await own.run(['client-config', 'cursor', '--write']);
  expect([refused.code, readFileSync(file, 'utf8')]).toEqual([2, '{ // a comment\n}']);
  expect((await own.run(['client-config', 'zed', '--write'])).code).toBe(2);
  writeFileSync(join(own.folder, '.copilot'), 'a file where a folder should be');
  expect(await own.run(['client-config', 'copilot', '--write'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cannot be written (E'),
  });
  expect((await own.run(['client-config', 'gemini', '--write'])).code).toBe(0);
  expect(statSync(join(own.folder, '.gemini', 'settings.json')).mode & 0o777).toBe(0o600);
  own.remove();
});
