import { spawn } from 'node:child_process';
import { type Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { binary } from '../helpers/binary.ts';
import { type Place, run } from './harness.ts';

export interface HttpServer {
  url: string;
  token: string;
  pid: number;
  /** Connects a client as the operator token of this server; returns what closes it. */
  connect(client: Client, token?: string): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** The shipped binary serving HTTP on a port of its own (or the one given), with one token of the role operator. */
export async function startHttp(place: Pick<Place, 'env'>, env: Record<string, string> = {}, port = '0'): Promise<HttpServer> {
  const all = { ...place.env, ...env };
  const made = await run({ env: all }, ['tokens', 'add', '--name', `agent-${Math.random().toString(36).slice(2)}`, '--role', 'operator']);
  const token = /pmcp_[A-Za-z0-9_-]+/.exec(made.stdout)?.[0];
  if (!token) throw new Error(`no token: ${made.stdout} ${made.stderr}`);
  const child = spawn(process.execPath, [binary(), 'http', '--port', port], { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    const hear = (chunk: Buffer) => {
      said += chunk;
      const found = /https?:\/\/127\.0\.0\.\d:\d+\/mcp/.exec(said)?.[0];
      if (found) resolve(found);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`http ended with ${code}: ${said}`)));
  });
  return {
    url,
    token,
    pid: child.pid ?? 0,
    async connect(client, other = token) {
      await client.connect(
        new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${other}` } } }),
      );
      return () => client.close();
    },
    close: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit');
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}
