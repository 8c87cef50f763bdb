import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Log } from '../../../src/core/log.ts';
import type { ApprovalRecord } from '../../../src/core/plan/approval.ts';
import type { NotifySettings } from '../../../src/core/settings/settings.ts';
import { createNotify, announce as ring } from '../../../src/engine/approvals/notify.ts';
import type { Ports } from '../../../src/engine/ports.ts';
import { openStore } from '../../../src/store/index.ts';
import { approval as example } from '../../helpers/answering-engine.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Takes what is posted; `answer` says how, or not at all. */
async function listen(answer: number | 'nothing' = 200) {
  const got: { headers: IncomingHttpHeaders; body: string; url: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    got.push({ headers: request.headers, body, url: request.url ?? '' });
    if (answer !== 'nothing') response.writeHead(answer, { location: '/elsewhere' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/topic?key=canary-url` };
}
async function announce(settings: NotifySettings, approval: ApprovalRecord) {
  const warnings: object[] = [];
  await createNotify(settings, { debug() {}, info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) } as Log)(
    approval,
  );
  return warnings;
}

const nasty: ApprovalRecord = {
  ...example,
  id: 'apr_0123456789abcdef',
  reason: 'canary-reason: please hurry',
  args: { password: { $secret: 'canary-id' } },
  plan: { ...example.plan, summary: 'Delete \u202E<!channel> *web1*\u001b[2J\n(105) on pve' },
};
const CONSOLE = 'https://mcp.example.org/console';
const LINK = `${CONSOLE}/#/pending/apr_0123456789abcdef`;

test('a message as plain JSON', async () => {
  const { got, url } = await listen();
  expect(await announce({ url, kind: 'json', consoleUrl: CONSOLE }, nasty)).toEqual([]);
  expect(got).toHaveLength(1);
  expect(got[0]?.headers['content-type']).toBe('application/json');
  expect(JSON.parse(got[0]?.body ?? '')).toEqual({
    event: 'approval_pending',
    approval_id: nasty.id,
    summary: 'Delete <!channel> *web1*[2J (105) on pve',
    operation: nasty.operation,
    effect: nasty.effect,
    requester: nasty.principal,
    cluster: nasty.cluster,
    created_at: nasty.createdAt,
    expires_at: nasty.expiresAt,
    url: LINK,
  });
});

test('a message for ntfy, which opens the console at a touch', async () => {
  const { got, url } = await listen();
  await announce({ url, kind: 'ntfy', consoleUrl: CONSOLE }, nasty);
  expect(got[0]?.headers).toMatchObject({ title: 'Proxmox: an approval is pending', priority: 'high', click: LINK });
  expect(got[0]?.headers).not.toHaveProperty('actions');
  expect(got[0]?.body.split('\n')[0]).toBe('Delete <!channel> *web1*[2J (105) on pve');
  expect(got[0]?.body).toContain(nasty.expiresAt);
});

test('a message for Slack, in blocks that take no markup', async () => {
  const { got, url } = await listen();
  await announce({ url, kind: 'slack', consoleUrl: CONSOLE }, nasty);
  const { text, blocks } = JSON.parse(got[0]?.body ?? '');
  expect(text).not.toContain('channel');
  expect(blocks[1].text).toMatchObject({ type: 'plain_text', emoji: false, text: expect.stringContaining('<!channel>') });
  expect(blocks[2].elements).toEqual([{ type: 'button', text: { type: 'plain_text', text: 'Open the console' }, url: LINK }]);
});

test.each(['json', 'ntfy', 'slack'] as const)(
  '%s without a console says how to decide; never a secret, never what the agent says',
  async (kind) => {
    const { got, url } = await listen();
    await announce({ url, kind }, nasty);
    const { body, headers } = got[0] ?? { body: '', headers: {} };
    expect(body).toContain(nasty.id);
    for (const bad of ['canary', 'undefined', '\u001b', '\u202e']) expect(body).not.toContain(bad);
    expect(headers).not.toHaveProperty('click');
    if (kind !== 'json') expect(body).toContain(`proxmox-mcp approvals approve ${nasty.id}`);
  },
);

test('a name of ten kilobytes becomes a short text', async () => {
  const { got, url } = await listen();
  await announce({ url, kind: 'slack' }, { ...nasty, plan: { ...nasty.plan, summary: 'x'.repeat(10_000) } });
  expect(got[0]?.body.length).toBeLessThan(1000);
});

test.each([
  [500, 'it answered 500'],
  // A host other than the one the operator named would get it.
  [302, 'unexpected redirect'],
] as const)('an answer of %i is warned about, without the address, and not repeated', async (status, fault) => {
  const { got, url } = await listen(status);
  const warnings = await announce({ url, kind: 'json' }, nasty);
  expect(warnings).toEqual([{ host: new URL(url).host, approval: nasty.id, fault }]);
  expect(JSON.stringify(warnings)).not.toContain('canary');
  expect(got).toHaveLength(1);
});

test('no listener, and a listener that does not answer, are warnings', async () => {
  const gone = await listen();
  for (const close of closing.splice(0)) close();
  expect(await announce({ url: gone.url, kind: 'json' }, nasty)).toEqual([expect.objectContaining({ fault: 'ECONNREFUSED' })]);
  const { url } = await listen('nothing');
  expect(await announce({ url, kind: 'json' }, nasty)).toEqual([expect.objectContaining({ fault: 'no answer in time' })]);
});

test('an endless requester is announced ten times in ten minutes, then once more with the number of pending approvals', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'notify-'));
  const store = await openStore({ dataDir: folder });
  let now = Date.parse('2026-01-01T12:00:00Z');
  const rung: string[] = [];
  const ports = {
    store: async () => store,
    clock: { now: () => now },
    notify: async (of: ApprovalRecord, waiting?: number) => void rung.push(waiting === undefined ? of.id : `${of.principal}: ${waiting}`),
  } as unknown as Ports;
  let asked = 0;
  const ask = async (principal = 'local:agent', deny = true) => {
    asked += 1;
    const wish = { ...example, id: `apr_${asked}`, principal, argsDigest: `args ${asked}`, expiresAt: '2027-01-01T00:00:00.000Z' };
    const approval = (await store.approvals.request(wish, new Date(now).toISOString(), 100)) as ApprovalRecord;
    await ring(approval, ports);
    if (deny) await store.approvals.move(approval.id, 'pending', 'denied');
    now += 1000;
  };
  for (let n = 0; n < 9; n++) await ask();
  for (let n = 0; n < 20; n++) await ask('local:agent', false);
  expect(rung).toEqual([...Array.from({ length: 10 }, (_, n) => `apr_${n + 1}`), 'local:agent: 2']);
  await ask('token:other');
  expect(rung.at(-1)).toBe('apr_30');
  now += 10 * 60_000;
  await ask();
  expect(rung.at(-1)).toBe('apr_31');
  await store.close();
  rmSync(folder, { recursive: true });
});

test('the message about unannounced approvals names the requester and where to look', async () => {
  const { got, url } = await listen();
  const settings: NotifySettings = { url, kind: 'json', consoleUrl: CONSOLE };
  await createNotify(settings, {} as Log)(nasty, 12);
  expect(JSON.parse(got[0]?.body ?? '')).toEqual({
    event: 'approvals_limited',
    requester: nasty.principal,
    pending: 12,
    cluster: nasty.cluster,
    url: `${CONSOLE}/#/pending`,
  });
});
