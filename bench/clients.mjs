// The clients of the bench: of the product, and of the bare API.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { root } from '../scripts/bundled.mjs';

export const cli = join(root, 'dist/cli.js');

/** A client of a server that talks over stdio, by default the shipped one. */
export async function connect(env, args = [cli, 'stdio']) {
  const client = new Client({ name: 'bench', version: '0' });
  const transport = new StdioClientTransport({ command: process.execPath, args, env, stderr: 'inherit' });
  await client.connect(transport);
  const call = async (name, args = {}) => {
    const result = await client.callTool({ name, arguments: args }, { timeout: 120_000 });
    if (result.isError) throw new Error(`${name}: ${result.content[0].text}`);
    return { data: result.structuredContent, text: result.content[0].text };
  };
  return { client, call, pid: transport.pid };
}

/** A raw client in a process of its own. */
export function rawClient(env) {
  const child = spawn(process.execPath, [join(root, 'bench/raw-client.mjs')], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ask = (...paths) => {
    child.stdin.write(`${paths.join(' ')}\n`);
    return once(child.stdout, 'data');
  };
  return { pid: child.pid, ask, end: () => child.stdin.end() };
}

/** The rows of a list, which reaches models as columns and rows. */
export function objects({ columns, rows }) {
  return rows.map((row) => Object.fromEntries(row.map((value, index) => [columns[index], value])));
}

/** VMIDs of VMs in that state. */
export async function vmidsOf({ call }, status, limit) {
  const { data } = await call('list_vms', { type: 'vm', status, limit });
  return objects(data).map(({ vmid }) => vmid);
}
