import { spawn } from 'node:child_process';
import { randomBytes, scryptSync } from 'node:crypto';
import { type Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { localOwner } from '../../src/core/people/owner.ts';
import { newToken } from '../../src/http/auth/tokens.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import type { TokenRecord } from '../../src/store/schema.ts';
import { binary } from '../helpers/binary.ts';
import type { Place } from './harness.ts';

export interface HttpServer {
  url: string;
  token: string;
  pid: number;
  /** What it wrote so far. */
  said(): string;
  /** Connects a client as the operator token of this server; returns what closes it. */
  connect(client: Client, token?: string): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** The shipped binary serving HTTP on a port of its own (or the one given), with one token of the role operator. */
export async function startHttp(place: Pick<Place, 'env'>, env: Record<string, string> = {}, port = '0'): Promise<HttpServer> {
  const all = { ...place.env, ...env };
  const token = await addToken(all);
  const child = spawn(process.execPath, [binary(), 'http', '--port', port], { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
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
    said: () => said,
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

type Given = Partial<Omit<TokenRecord, 'id' | 'hash' | 'createdAt' | 'expiresAt'>>;

/** A token straight into the store, of an operator of this user unless said otherwise: the command that makes tokens has tests of its own. */
export async function addToken(env: Record<string, string>, given: Given = {}): Promise<string> {
  const { token, id, hash } = newToken();
  const now = Date.now();
  const common = { name: `agent-${id}`, owner: localOwner(), role: 'operator' as const, cidrs: [], trustsClient: false };
  await inStore(env, (store) =>
    store.tokens.add({
      ...{ ...common, ...given, id, hash },
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + 3_600_000).toISOString(),
    }),
  );
  return token;
}

/** The passphrase of an owner, straight into the store, at the least cost that its form can state. */
export async function setPassphrase(env: Record<string, string>, owner: string, passphrase: string): Promise<void> {
  const [N, r, p] = [2, 1, 1];
  const salt = randomBytes(16);
  const key = scryptSync(passphrase, salt, 32, { N, r, p });
  const hash = ['scrypt', N, r, p, salt.toString('base64'), key.toString('base64')].join('$');
  await inStore(env, (store) => store.principals.setPassphrase(owner, hash, new Date().toISOString()));
}

async function inStore(
  { PROXMOX_DATA_DIR: dataDir = '', PROXMOX_DATABASE_URL: databaseUrl }: Record<string, string>,
  work: (store: Store) => Promise<unknown>,
): Promise<void> {
  const store = await openStore({ dataDir, ...(databaseUrl === undefined ? {} : { databaseUrl }) });
  await work(store);
  await store.close();
}
