import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { systemClock } from '../../src/core/clock.ts';
import { networks } from '../../src/core/network.ts';
import type { HttpSettings, Settings } from '../../src/core/settings/settings.ts';
import { createHttpApp, type HttpApp } from '../../src/http/app.ts';
import { newToken } from '../../src/http/auth/tokens.ts';
import { gateOf, remoteCaller, verifiersOf } from '../../src/http/identities.ts';
import { listen } from '../../src/http/listen.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import type { TokenRecord } from '../../src/store/schema.ts';
import { type Answering, type Face, face } from '../helpers/answering-engine.ts';
import { noChanges } from '../helpers/changes.ts';

/** The real HTTP server with real tokens in a real store, on top of an engine that answers what a test tells it to. */
export interface HttpServer extends Face {
  url: string;
  app: HttpApp;
  store: Store;
  /** Makes a token; without `change` one of an operator. */
  token(name: string, change?: Partial<TokenRecord>): Promise<string>;
  close(): Promise<void>;
}

export const http: HttpSettings = { host: '127.0.0.1', port: 0, publicUrls: [], trustedProxies: [], perMinute: 100_000, replica: 'test' };

export async function startHttp(
  answering: Answering,
  change: Partial<HttpSettings> & { open?: boolean; waitSeconds?: number; consoleUrl?: string } = {},
): Promise<HttpServer> {
  const { open = false, waitSeconds = 45, consoleUrl, ...httpChange } = change;
  const settings = { http: { ...http, ...httpChange } } as Settings;
  const folder = mkdtempSync(join(tmpdir(), 'http-'));
  const store = await openStore({ dataDir: folder });
  const metrics = createMetrics();
  const shown = face(answering, {
    caller: remoteCaller,
    changes: noChanges,
    settings: { readOnly: false, toolsets: ['everyday'], demo: false, waitSeconds },
    ...(consoleUrl === undefined ? {} : { consoleUrl: () => consoleUrl }),
  });
  const errors: Error[] = [];
  const { oauth, publicUrls } = settings.http;
  const app = createHttpApp({
    factory: shown.factory,
    changes: noChanges,
    gate: open ? async () => undefined : gateOf(settings.http, verifiersOf(settings.http, store), store, metrics),
    hosts: ['localhost', '127.0.0.1', ...publicUrls.map((url) => new URL(url).hostname)],
    isTrustedProxy: networks(settings.http.trustedProxies),
    ...(oauth ? { oauth: { resource: new URL(`${publicUrls[0]}/mcp`), issuer: oauth.issuer } } : {}),
    ready: async () => void (await store.tokens.anyValid(new Date().toISOString())),
    metrics,
    gauges: async () => [{ name: 'proxmox_mcp_quota_limit', labels: { resource: 'guests' }, value: 50 }],
    perMinute: settings.http.perMinute,
    replica: settings.http.replica,
    clock: systemClock,
    onError: (error) => errors.push(error),
  });
  const listener = await listen(app, { host: '127.0.0.1', port: 0, onError: (error) => errors.push(error) });
  return {
    ...shown,
    url: `http://127.0.0.1:${listener.port}/mcp`,
    app,
    store,
    async token(name, tokenChange = {}) {
      const { token, id, hash } = newToken();
      const now = Date.now();
      await store.tokens.add({
        id,
        name,
        owner: `owner-of-${name}`,
        role: 'operator',
        hash,
        cidrs: [],
        trustsClient: false,
        createdAt: new Date(now).toISOString(),
        expiresAt: new Date(now + 3_600_000).toISOString(),
        ...tokenChange,
      });
      return token;
    },
    async close() {
      await app.close();
      await listener.close(500);
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** An authorization server: its metadata and its keys, and tokens signed with them. */
export async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const stranger = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    response.setHeader('content-type', 'application/json');
    if (request.url === '/.well-known/oauth-authorization-server') response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
    else if (request.url === '/keys') response.end(JSON.stringify({ keys: [jwk] }));
    else response.writeHead(404).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    asked: () => asked,
    /** A token for `alice` to read and write; `claims` replace what it says, `forged` signs it with another key. */
    sign(
      claims: Record<string, unknown> = {},
      { forged = false, algorithm = 'ES256', typ = 'at+jwt' as string | undefined } = {},
    ): Promise<string> {
      const now = Math.floor(Date.now() / 1000);
      const payload = {
        iss: issuer,
        aud: 'https://mcp.example.org/mcp',
        sub: 'alice',
        iat: now,
        exp: now + 600,
        scope: 'proxmox:read proxmox:write',
        ...claims,
      };
      const present = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
      const signer = new SignJWT(present).setProtectedHeader({ alg: algorithm, kid: 'k1', ...(typ === undefined ? {} : { typ }) });
      return signer.sign(algorithm === 'HS256' ? new TextEncoder().encode(JSON.stringify(jwk)) : forged ? stranger.privateKey : privateKey);
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** One request of 2026-07-28, by hand: what a client sends that is in no session. */
export function rpc(url: string, method: string, params: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  const name = (params as { name?: string }).name;
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name === undefined ? {} : { 'mcp-name': name }),
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
          'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
        },
      },
    }),
  });
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
