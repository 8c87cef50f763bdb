import { spawn } from 'node:child_process';
import { type Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { localOwner } from '../../src/core/owner.ts';
import { newToken } from '../../src/http/auth/tokens.ts';
import { openStore } from '../../src/store/index.ts';
import { binary } from '../helpers/binary.ts';
import type { Place } from './harness.ts';

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
  const token = await addToken(all);
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

/** An operator's token of this user, straight into the store: the command that makes tokens has tests of its own. */
async function addToken({ PROXMOX_DATA_DIR: dataDir = '', PROXMOX_DATABASE_URL: databaseUrl }: Record<string, string>): Promise<string> {
  const { token, id, hash } = newToken();
  const now = Date.now();
  const store = await openStore({ dataDir, ...(databaseUrl === undefined ? {} : { databaseUrl }) });
  await store.tokens.add({
    id,
    name: `agent-${id}`,
    owner: localOwner(),
    role: 'operator',
    hash,
    cidrs: [],
    trustsClient: false,
    createdAt: new Date(now).toISOString(),
    expiresAt: new Date(now + 3_600_000).toISOString(),
  });
  await store.close();
  return token;
}
