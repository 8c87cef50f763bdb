import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Authority, openAuthorities } from '../certificates.ts';
import { connectionTo, startScripted } from '../server.ts';

const authorities = openAuthorities();
const folder = mkdtempSync(join(tmpdir(), 'pmcp-system-ca-'));
const program = join(folder, 'ask.cjs');
let known: Authority;

/** Asks for the version and prints the answer, what was pinned, and what was noticed. Node reads its authorities at start only. */
const PROGRAM = `
import { systemClock } from './src/core/clock.ts';
import { createProxmox } from './src/proxmox/client.ts';
import { memoryTrustStore } from './src/proxmox/trust/store.ts';
const log = { debug() {}, info() {}, warn() {}, error() {} };
const trust = memoryTrustStore();
if (process.argv[3]) trust.set('test', JSON.parse(process.argv[3]));
const api = createProxmox({ connection: JSON.parse(process.argv[2] ?? ''), cluster: 'test', trust, clock: systemClock, log });
api.get('/version')
  .catch((error) => error.code)
  .then((answer) => process.stdout.write(JSON.stringify({ answer, pinned: trust.get('test')?.kind, notices: api.notices.length })))
  .finally(() => api.close());
`;

beforeAll(async () => {
  known = authorities.create('known');
  const stdin = { contents: PROGRAM, resolveDir: process.cwd(), loader: 'ts' as const };
  await build({ stdin, bundle: true, platform: 'node', format: 'cjs', outfile: program, logLevel: 'error' });
});
afterAll(() => {
  authorities.remove();
  rmSync(folder, { recursive: true });
});

it.each([
  ['this host', 'IP:127.0.0.1', true, { answer: 'content', notices: 0 }, 1],
  ['this host, which then needs no pin', 'IP:127.0.0.1', false, { answer: 'content', notices: 0 }, 1],
  ['another host', 'IP:192.0.2.1', true, { answer: 'certificate_untrusted', notices: 0 }, 0],
])('an authority of the system vouches for %s', async (_, san, verifySsl, expected, requests) => {
  const server = await startScripted(known.issue({ san }), () => ({ data: 'content' }));
  const connection = JSON.stringify(connectionTo([server], { verifySsl }));
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: known.file };
  const { stdout } = await promisify(execFile)(process.execPath, [program, connection], { env });
  await server.close();
  expect(JSON.parse(stdout)).toEqual(expected);
  expect(server.received.length).toBe(requests);
});

it.each([
  ['known', 'IP:127.0.0.1', 'content', 1],
  ['known', 'IP:192.0.2.1', 'certificate_changed', 0],
  ['stranger', 'IP:127.0.0.1', 'certificate_changed', 0],
] as const)(
  'a certificate of the authority "%s" for %s counts beside the pin of another one only if the system vouches: %s',
  async (name, san, answer, requests) => {
    const issuer = name === 'known' ? known : authorities.create(name);
    const pinned = authorities.create('pinned');
    const server = await startScripted(issuer.issue({ san }), () => ({ data: 'content' }));
    const pin = JSON.stringify({ kind: 'ca', pem: pinned.pem, fingerprint: pinned.fingerprint, since: '2026-01-01T00:00:00.000Z' });
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: known.file };
    const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(connectionTo([server])), pin], { env });
    await server.close();
    expect(JSON.parse(stdout)).toEqual({ answer, pinned: 'ca', notices: 0 });
    expect(server.received.length).toBe(requests);
  },
);
