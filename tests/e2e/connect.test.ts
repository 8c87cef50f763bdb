import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPlace, type Place, run, until } from './harness.ts';
import { addToken, type HttpServer, setPassphrase, startHttp } from './http-server.ts';
import { connectCommand, type Human, PEERS, type Peer, type PeerKind } from './peers.ts';

const RUNNING = { vmid: 103, name: 'legacy-erp' };
const PASSPHRASE = 'correct horse battery';

let place: Place;
let server: HttpServer;
/** Of a token that the operator made by the command, for clients that ask a human. */
let trusted: string;
/** Each kind of client, through a `connect` of its own, with the token of the server. */
let peers: Record<PeerKind, Peer>;
beforeAll(async () => {
  place = await openPlace();
  server = await startHttp(place);
  const made = await run(place, ['tokens', 'add', '--name', 'trusted', '--role', 'operator', '--trust-client']);
  expect(made.code, made.stderr).toBe(0);
  trusted = String(made.json.token);
  const opened = await Promise.all(PEERS.map(async (kind) => [kind, await through(kind, server.token)] as const));
  peers = Object.fromEntries(opened) as Record<PeerKind, Peer>;
}, 60_000);
afterAll(async () => {
  await Promise.all(Object.values(peers).map((peer) => peer.close()));
  await place.close();
});

/** What the agent's user has: an access token of the server, and nothing of Proxmox. */
function bare(token: string) {
  return { PATH: process.env.PATH ?? '', HOME: join(place.env.HOME ?? '', 'agent'), PROXMOX_MCP_TOKEN: token };
}

function through(kind: PeerKind, token: string, human?: Human, url = server.url): Promise<Peer> {
  return connectCommand(kind, ['connect', url], bare(token), human);
}

describe.each(PEERS)('%s through connect', (kind) => {
  it('sees the very tools of the server', async () => {
    const direct = new Client({ name: 'direct', version: '1' });
    const close = await server.connect(direct);
    const peer = peers[kind];
    const strip = (tools: unknown[]) => JSON.parse(JSON.stringify(tools)) as unknown[];
    expect(strip(await peer.definitions())).toEqual(strip((await direct.listTools()).tools));
    expect(peer.instructions()).toContain('Never bypass');
    await close();
  });

  it('sees the tools of its role alone', async () => {
    const peer = await through(kind, await addToken(place.env, { role: 'viewer' }));
    expect(await peer.tools()).not.toContain('stop_vm');
    expect(await peer.tools()).toContain('list_vms');
    await peer.close();
  });

  it('hears of progress, and gets the same answers', async () => {
    const peer = peers[kind];
    const heard: { message?: string | undefined }[] = [];
    const args = { name: `made-by-${kind.replace(' ', '-')}`, storage: 'local-lvm', disk_gb: 1 };
    const made = await peer.call('create_vm', args, { onprogress: (progress) => void heard.push(progress) });
    expect(made.isError, made.text).toBeFalsy();
    await until('progress', () => heard.length > 0);
    const unknown = await peer.call('get_vm', { vmid: 99_999 });
    expect(unknown).toMatchObject({ isError: true, structured: { error: { code: 'guest_not_found' } } });
    await expect(peer.call('format_disk')).rejects.toMatchObject({ code: -32602, message: expect.stringContaining('format_disk') });
    const stopped = await peer.call('stop_vm', { vmid: RUNNING.vmid, force: true });
    expect(stopped.structured).toMatchObject({ approval_required: true, way: 'human' });
    expect((await peer.call('deny', { approval_id: stopped.structured.approval_id })).isError).toBeFalsy();
  });

  it('puts the question to its human, where the operator trusts that client', async () => {
    const { vmid, name } = RUNNING;
    const shown: string[] = [];
    let reply: ReturnType<Human> = { action: 'cancel' };
    const peer = await through(kind, trusted, (message) => {
      shown.push(message);
      return reply;
    });
    const before = place.mutations().length;
    const { structured } = await peer.call('stop_vm', { vmid, force: true });
    expect(structured).toMatchObject({ approval_required: true, way: 'elicitation' });
    const approve = () => peer.call('approve', { approval_id: structured.approval_id });
    expect(await approve()).toMatchObject({ isError: true, structured: { error: { code: 'approval_not_confirmed' } } });
    expect(place.mutations()).toHaveLength(before);
    reply = { action: 'accept', content: { typed: `${name} ${vmid}` } };
    const done = await approve();
    expect(done.isError, done.text).toBeFalsy();
    expect(shown).toHaveLength(2);
    expect(shown[1]).toContain('/status/stop');
    expect(place.mutations()).toHaveLength(before + 1);
    expect((await peer.call('start_vm', { vmid })).isError).toBeFalsy();
    await peer.close();
  });
});

it('an approval that a human gives in the console arrives where it was requested', async () => {
  const boss = await addToken(place.env, { name: 'boss', role: 'approver', owner: 'boss' });
  await setPassphrase(place.env, 'boss', PASSPHRASE);
  const peer = peers['v2 auto'];
  const asked = await peer.call('stop_vm', { vmid: 101, force: true });
  expect(asked.structured).toMatchObject({ approval_required: true, decide_at: expect.stringContaining('/console/') });
  const waiting = peer.call('approve', { approval_id: asked.structured.approval_id, wait_seconds: 40 });
  const { origin } = new URL(server.url);
  const headers = { 'content-type': 'application/json', origin };
  const login = await fetch(`${origin}/console/api/login/token`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ token: boss, passphrase: PASSPHRASE }),
  });
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const { token } = (await login.json()) as { token: string };
  const said = await fetch(`${origin}/console/api/approvals/${asked.structured.approval_id}/approve`, {
    method: 'POST',
    headers: { ...headers, cookie, 'x-console-token': token },
    body: JSON.stringify({ typed: 'web2 101' }),
  });
  expect(said.status).toBe(200);
  expect((await waiting).structured).toMatchObject({ status: 'succeeded', result: { vmid: 101, status: 'stopped' } });
});

it('keeps the token out of its arguments, its messages and the files of its user', async () => {
  const file = join(place.env.HOME ?? '', 'token');
  writeFileSync(file, `${server.token}\n`, { mode: 0o600 });
  const { PROXMOX_MCP_TOKEN: _none, ...env } = bare('');
  const command = ['connect', server.url, '--token-file', file];
  const peer = await connectCommand('v2', command, env);
  const answers = [await peer.call('list_vms', { limit: 1 }), await peer.call('get_vm', { vmid: 99_999 })];
  expect(answers[0]?.isError).toBeFalsy();
  expect(readFileSync(`/proc/${peer.pid}/cmdline`, 'utf8')).not.toContain(server.token);
  expect(JSON.stringify(answers) + peer.stderr()).not.toContain(server.token);
  expect(peer.stderr()).toBe('');
  await peer.close();
  // It opens no store, pins nothing and keeps no log: there is nothing of Proxmox beside the agent.
  expect(readdirSync(place.env.HOME ?? '')).not.toContain('agent');

  chmodSync(file, 0o644);
  const readable = await connectCommand('v2', command, env);
  await until('the warning', () => readable.stderr().includes('Other users can read'));
  expect(readable.stderr()).not.toContain(server.token);
  await readable.close();
});

it('a token that does not count is refused in words, without repeating it', async () => {
  const token = `pmcp_${'x'.repeat(43)}`;
  const error = await through('v2', token).catch((thrown: Error) => thrown.message);
  expect(error).toContain('does not accept the access token (401). Nothing was done.');
  expect(error).not.toContain(token);
  const revoked = await addToken(place.env, { name: 'revoked' });
  const peer = await through('v2', revoked);
  expect((await run(place, ['tokens', 'revoke', 'revoked'])).code).toBe(0);
  await expect(peer.call('list_vms')).rejects.toThrow(/does not accept the access token/);
  await peer.close();
});

it('sends nothing to a server whose certificate no authority signed', async () => {
  const tls = await startHttp(place, {
    PROXMOX_HTTP_CERT_FILE: join(process.cwd(), 'src/simulator/data/demo-cert.pem'),
    PROXMOX_HTTP_KEY_FILE: join(process.cwd(), 'src/simulator/data/demo-key.pem'),
  });
  const refused = await through('v2', tls.token, undefined, tls.url).catch((thrown: Error) => thrown.message);
  expect(refused).toContain('The certificate of https://127.0.0.1:');
  expect(refused).toContain('Nothing was sent. Ask the user to name its authority in NODE_EXTRA_CA_CERTS');
  const env = { ...bare(tls.token), NODE_EXTRA_CA_CERTS: join(process.cwd(), 'src/simulator/data/demo-ca.pem') };
  const peer = await connectCommand('v2', ['connect', tls.url], env);
  expect((await peer.call('get_vm', { vmid: 100 })).structured).toMatchObject({ vmid: 100 });
  await peer.close();
  const ca = readFileSync('src/simulator/data/demo-ca.pem');
  const [health] = await once(get(new URL('/healthz', tls.url), { ca }), 'response');
  expect(health.statusCode).toBe(200);
  health.resume();
  await tls.close();
});

it('begins a new session when the server was restarted, unseen by the client', async () => {
  const first = await startHttp(place);
  const peer = await through('v2', first.token, undefined, first.url);
  await peer.tools();
  await first.close();
  const closed = await through('v2', first.token, undefined, first.url).catch((thrown: Error) => thrown.message);
  expect(closed).toContain('safe to repeat');
  const again = await startHttp(place, {}, new URL(first.url).port);
  expect(again.url).toBe(first.url);
  expect((await peer.call('get_vm', { vmid: 100 })).structured).toMatchObject({ vmid: 100 });
  await peer.close();
  await again.close();
});

// The last test: it ends the server of all others.
it('each client learns that the outcome is unknown when the server dies while it works', async () => {
  const all = Object.values(peers);
  place.simulator.faults.add({ match: { method: 'GET', path: '/qemu/(100|102|106)/status/current$' }, action: 'hold', times: all.length });
  // Different guests, which run: equal reads at the same time are one request.
  const lost = all.map((peer, n) =>
    expect(peer.call('get_vm', { vmid: [100, 102, 106][n] })).rejects.toThrow(
      /It is unknown whether the call was executed\. Look with get_task/,
    ),
  );
  await place.simulator.faults.untilHeld(all.length);
  process.kill(server.pid, 'SIGKILL');
  await Promise.all(lost);
  place.simulator.faults.release();
  for (const peer of all) await expect(peer.call('get_vm', { vmid: 100 })).rejects.toThrow(/cannot be reached .* safe to repeat/);
});
