import { afterAll, expect, it } from 'vitest';
import { createLastWords } from '../../../src/proxmox/answers/last-words.ts';
import { listGuests, readGuest } from '../../../src/proxmox/guest/guests.ts';
import { readSnapshots } from '../../../src/proxmox/guest/snapshots.ts';
import { openAuthorities } from '../certificates.ts';
import { type Behaviour, connectionTo, openClient, startScripted } from '../server.ts';

const authorities = openAuthorities();
const certificate = authorities.create('cluster').issue();
afterAll(() => authorities.remove());

/** A cluster that answers one thing after another. */
async function answering(...answers: Behaviour[]) {
  const server = await startScripted(certificate, () => answers.shift() ?? 'cut');
  const client = openClient(connectionTo([server], { fingerprints: [certificate.fingerprint] }));
  return { server, client, close: () => Promise.all([client.close(), server.close()]) };
}
const web = (cpu: number) => ({ data: [{ type: 'qemu', vmid: 100, node: 'pve', name: 'web', status: 'running', cpu }] });

it('an unchanged list is requested, but neither parsed nor read again', async () => {
  const { server, client, close } = await answering(web(0.1), web(0.1), web(0.2), web(0.1));
  const seen = [await listGuests(client), await listGuests(client), await listGuests(client), await listGuests(client)];
  expect(server.received.length).toBe(4);
  expect(seen.map(([row]) => row?.cpu)).toEqual([0.1, 0.1, 0.2, 0.1]);
  expect(seen.map((rows) => seen.indexOf(rows))).toEqual([0, 0, 2, 3]);
  await close();
});

it('lists with other parameters are other lists', async () => {
  const { client, close } = await answering(web(0.1), web(0.1));
  const [vms, all] = [await client.get('/cluster/resources', { type: 'vm' }), await client.get('/cluster/resources')];
  expect(all).toEqual(vms);
  expect(all).not.toBe(vms);
  await close();
});

it('each refused answer gives an error of its own, and never the list before it', async () => {
  const garbage = { status: 200, body: '<html>' };
  const { client, close } = await answering(web(0.1), garbage, garbage, { data: 'no list' }, web(0.1));
  const first = await client.get('/cluster/resources');
  const faults = [];
  for (let n = 0; n < 3; n++) faults.push(await client.get('/cluster/resources').catch((thrown) => thrown));
  expect(faults.map(({ code }) => code)).toEqual(Array(3).fill('proxmox_refused'));
  expect(new Set(faults).size).toBe(3);
  expect(await client.get('/cluster/resources')).toBe(first);
  await close();
});

const at = { vmid: 100, type: 'qemu', node: 'pve' } as const;
const pending = (cores: number) => ({
  data: [
    { key: 'name', value: 'web' },
    { key: 'cores', value: cores },
  ],
});

it('an unchanged configuration is requested, but not read again', async () => {
  const { server, client, close } = await answering(pending(1), pending(1), pending(2));
  const seen = [await readGuest(client, at), await readGuest(client, at), await readGuest(client, at)];
  expect(server.received.length).toBe(3);
  expect(seen.map(({ sizes }) => sizes.cpu)).toEqual([1, 1, 2]);
  expect(seen.map((guest) => seen.indexOf(guest))).toEqual([0, 0, 2]);
  await close();
});

it('the same configuration under another VMID is another guest', async () => {
  const { client, close } = await answering(pending(1), pending(1));
  const [one, other] = [await readGuest(client, at), await readGuest(client, { ...at, vmid: 101 })];
  expect([one.at.vmid, other.at.vmid]).toEqual([100, 101]);
  await close();
});

it('unchanged snapshots are requested, but not read again', async () => {
  const list = (...names: string[]) => ({ data: ['current', ...names].map((name) => ({ name })) });
  const { server, client, close } = await answering(list(), list(), list('before'));
  const seen = [await readSnapshots(client, at), await readSnapshots(client, at), await readSnapshots(client, at)];
  expect(server.received.length).toBe(3);
  expect(seen.map(({ names }) => names)).toEqual([[], [], ['before']]);
  expect(seen[1]).toBe(seen[0]);
  await close();
});

it('the answers to 500 requests are kept, and the oldest goes first', () => {
  const words = createLastWords();
  let parsed = 0;
  const ask = (question: number, body = 'same') => words.read(String(question), body, () => ++parsed);
  for (let n = 1; n <= 500; n++) ask(n);
  ask(1, 'changed');
  ask(501);
  expect(parsed).toBe(502);
  expect([ask(1, 'changed'), ask(3), ask(500), ask(501)]).toEqual([501, 3, 500, 502]);
  expect(ask(2)).toBe(503);
});
