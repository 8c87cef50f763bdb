import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openAuthorities } from '../certificates.ts';
import { type Behaviour, connectionTo, openClient, openedGate, startScripted } from '../server.ts';

const authorities = openAuthorities();
let certificate: ReturnType<ReturnType<typeof authorities.create>['issue']>;
const closing: (() => Promise<void>)[] = [];
beforeAll(() => {
  certificate = authorities.create('proxied').issue();
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});
afterAll(() => authorities.remove());

async function dispatched(behaviour: Behaviour) {
  const server = await startScripted(certificate, () => behaviour);
  const client = openClient(connectionTo([server], { fingerprints: [certificate.fingerprint] }));
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  const sent = client.send(openedGate, { stepId: 'one', method: 'POST', path: '/nodes/pve/qemu/105/status/start', params: {} });
  return sent.then(
    ({ kind }) => kind,
    ({ code }: { code: string }) => code,
  );
}

it.each([
  [500, 'Internal Server Error', '<html>the proxy gave up</html>'],
  [520, 'Web server returned an unknown error', ''],
  [524, 'A Timeout Occurred', '<html>'],
  [302, 'Found', ''],
  [303, 'See Other', ''],
  [307, 'Temporary Redirect', ''],
])('%i of a proxy in between says nothing about what the cluster did', async (status, reason, body) => {
  expect(await dispatched({ status, reason, body })).toBe('unknown');
});

it.each([
  [500, "hostname lookup 'pve9' failed - failed to get address info", '', 'not_possible'],
  [501, "Method 'POST /nodes/pve/x' not implemented", '', 'unsupported_version'],
])('%i in words of Proxmox is its refusal, with a body or without', async (status, reason, body, code) => {
  expect(await dispatched({ status, reason, body })).toBe(code);
});
