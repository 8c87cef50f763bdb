import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { HttpSettings } from '../../src/core/settings/settings.ts';
import type { Session } from '../../src/engine/session.ts';
import { newToken } from '../../src/http/auth/tokens.ts';
import { consoleOf, gateOf, untilFirstToken, verifiersOf } from '../../src/http/identities.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { needsAuthentication } from '../../src/http/startup-checks.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { scriptedEngine } from '../console/place.ts';
import { addToken, setPassphrase } from '../e2e/http-server.ts';
import { http, startIssuer } from './http-server.ts';

const ORIGIN = 'https://mcp.example.org';
const folder = mkdtempSync(join(tmpdir(), 'identities-'));
const env = { PROXMOX_DATA_DIR: folder };
let store: Store;
beforeAll(async () => {
  store = await openStore({ dataDir: folder });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => vi.useRealTimers());

it('made-up tokens do not lock an approver out; wrong passphrases do, for that token alone and for a while', async () => {
  // Attempts come back with time.
  vi.useFakeTimers({ toFake: ['Date'] });
  const { login, close } = consoleOn(http);
  await setPassphrase(env, 'erin', 'correct horse battery');
  const [erin, second] = [
    await addToken(env, { name: 'erin', role: 'approver', owner: 'erin' }),
    await addToken(env, { name: 'erin-too', role: 'approver', owner: 'erin' }),
  ];
  for (let n = 0; n < 30; n++) expect(await login(newToken().token, 'any passphrase')).toBe(401);
  expect(await login(erin, 'correct horse battery')).toBe(200);
  for (let n = 0; n < 9; n++) expect(await login(erin, `wrong ${n}`)).toBe(401);
  expect(await login(erin, 'correct horse battery')).toBe(401);
  expect(await login(second, 'correct horse battery')).toBe(200);
  vi.setSystemTime(Date.now() + 6_000);
  expect(await login(erin, 'correct horse battery')).toBe(200);
  close();
});

it('an agent with a token of the same OAuth subject does not lock the approver out', async () => {
  const issuer = await startIssuer();
  const { login, close } = consoleOn({ ...http, oauth: { issuer: issuer.issuer, audiences: ['mcp'], trustedSubjects: [] } });
  await setPassphrase(env, 'alice', 'correct horse battery');
  const agent = await issuer.sign({ aud: 'mcp', scope: 'proxmox:write' });
  for (let n = 0; n < 30; n++) expect(await login(agent, 'correct horse battery')).toBe(401);
  expect(await login(await issuer.sign({ aud: 'mcp', scope: 'proxmox:approve' }), 'correct horse battery')).toBe(200);
  close();
  await issuer.close();
});

/** The console of a server with these settings, and what a login there answers. */
function consoleOn(settings: HttpSettings) {
  const session = { engine: scriptedEngine(), settings: { http: settings } } as unknown as Session;
  const verifiers = verifiersOf(settings, store);
  const page = consoleOf({ session, store, verifiers, origins: () => [ORIGIN], metrics: createMetrics() });
  const login = async (token: string, passphrase: string) => {
    const headers = { 'content-type': 'application/json', origin: ORIGIN, host: new URL(ORIGIN).host };
    const body = JSON.stringify({ token, passphrase });
    return (await page.fetch(new Request(`${ORIGIN}/console/api/login/token`, { method: 'POST', headers, body }), { peer: '192.0.2.1' }))
      .status;
  };
  return { login, close: page.close };
}

it('a server of one machine that once had tokens lets no caller in without one, also when all have ended and are forgotten', async () => {
  const own = await openStore({ dataDir: mkdtempSync(join(folder, 'own-')) });
  const owned = { owner: 'x', role: 'viewer' as const, hash: 'h', cidrs: [], trustsClient: false, createdAt: '2020-01-01T00:00:00.000Z' };
  for (const name of ['first', 'last', 'second']) {
    const expiresAt = `${name === 'last' ? 2021 : 2020}-01-01T00:00:00.000Z`;
    await own.tokens.add({ ...owned, id: `tok-${name}`, name, expiresAt });
  }
  expect(await own.retention.prune('2026-01-01T00:00:00.000Z')).toMatchObject({ tokens: 2 });
  expect((await own.tokens.list()).map(({ name }) => name)).toEqual(['last']);
  expect(await needsAuthentication(http, own)).toBe(true);
  const admit = untilFirstToken(gateOf(http, verifiersOf(http, own), own, createMetrics()), own);
  expect(await admit(new Request('http://127.0.0.1:8808/mcp'), '127.0.0.1')).toMatchObject({ status: 401 });
  await own.close();
});
