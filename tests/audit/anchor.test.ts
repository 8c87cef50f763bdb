import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAnchor } from '../../src/audit/anchor.ts';
import { knownPublicKey, readCheckpoint } from '../../src/audit/checkpoint.ts';
import { verifyAnchored } from '../../src/audit/verify-anchored.ts';
import { type Audit, openAudit } from '../../src/audit/writer.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import type { AnchorPlace } from '../../src/core/settings/settings.ts';

let folder: string;
let file: string;
let dataDir: string;
const closing: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'anchor-'));
  file = join(folder, 'audit.jsonl');
  dataDir = join(folder, 'data');
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

/** A clock on which sleeping passes the time, and what was warned about. */
function open(place: AnchorPlace, clock: Clock = systemClock) {
  const warnings: object[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) } as Log;
  const audit: Audit = openAudit({ file, clock, anchor: createAnchor({ place, auditFile: file, dataDir, clock, log }) });
  closing.push(() => audit.close());
  return { audit, warnings };
}
function fastClock(): Clock & { slept: number[] } {
  let ahead = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => Date.now() + ahead,
    elapsed: () => Date.now() + ahead,
    async sleep(ms, signal) {
      slept.push(ms);
      await systemClock.sleep(5, signal);
      ahead += ms;
    },
  };
}
/** A clock on which no time passes, so that every wait is endless. */
const frozenClock: Clock = {
  now: () => 1_767_323_045_678,
  elapsed: () => 0,
  sleep: (_ms, signal) => new Promise((_resolve, reject) => signal?.addEventListener('abort', reject)),
};
const change = (audit: Audit) => audit.append({ kind: 'outcome', status: 'succeeded' }, { durable: true });
const read = (audit: Audit) => audit.append({ kind: 'read', principal: 'local:1' }, { durable: false });
const seqs = (text: string) =>
  text.split('\n').flatMap((line) => {
    const key = knownPublicKey(dataDir);
    const checkpoint = key && readCheckpoint(line, key);
    return checkpoint ? [checkpoint.genuine ? checkpoint.checkpoint.seq : Number.NaN] : [];
  });
const fileSeqs = (path: string) => (existsSync(path) ? seqs(readFileSync(path, 'utf8')) : []);

/** Records the bodies posted to it, and answers with the given status. */
async function listen(answer: () => number) {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const status = answer();
    if (status === 200) bodies.push(`${request.headers['content-type']} ${body}`);
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { bodies, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/anchor?token=canary-url` };
}

test('nothing is created before the first record', async () => {
  const path = join(folder, 'else', 'where.log');
  const { audit } = open({ kind: 'file', path });
  await audit.close();
  expect([existsSync(path), existsSync(dataDir)]).toEqual([false, false]);
});

test('a change is covered at once, further ones together, and the end always', async () => {
  const path = join(folder, 'else', 'where.log');
  const { audit, warnings } = open({ kind: 'file', path }, frozenClock);
  await change(audit);
  await expect.poll(() => fileSeqs(path)).toEqual([1]);
  for (let i = 0; i < 30; i += 1) await change(audit);
  await audit.close();
  expect(fileSeqs(path)).toEqual([1, 31]);
  expect(warnings).toEqual([]);
  expect(await verifyAnchored(file, dataDir, { file: path })).toMatchObject({ problems: [], anchor: { uncovered: 0, problems: [] } });
});

test('reads are covered after a hundred of them, or in time', async () => {
  const path = join(folder, 'where.log');
  const { audit } = open({ kind: 'file', path });
  for (let i = 0; i < 99; i += 1) await read(audit);
  expect(fileSeqs(path)).toEqual([]);
  await read(audit);
  await expect.poll(() => fileSeqs(path)).toEqual([100]);

  const clock = fastClock();
  const other = join(folder, 'other.log');
  await read(open({ kind: 'file', path: other }, clock).audit);
  await expect.poll(() => fileSeqs(other)).toEqual([101]);
  expect(clock.slept[0]).toBeGreaterThan(59_000);
});

test('a clock that is set back by a day delays no checkpoint', async () => {
  const path = join(folder, 'where.log');
  const fast = fastClock();
  let back = 0;
  const { audit } = open({ kind: 'file', path }, { ...fast, now: () => fast.now() - back });
  await change(audit);
  await expect.poll(() => fileSeqs(path)).toEqual([1]);
  back = 86_400_000;
  await change(audit);
  await expect.poll(() => fileSeqs(path)).toEqual([1, 2]);
  expect(Math.max(...fast.slept)).toBeLessThanOrEqual(3_000);
});

test('two servers on one audit share one place', async () => {
  const path = join(folder, 'where.log');
  const [a, b] = [open({ kind: 'file', path }).audit, open({ kind: 'file', path }).audit];
  for (let i = 0; i < 20; i += 1) await change(i % 2 ? a : b);
  await Promise.all([a.close(), b.close()]);
  expect(Math.max(...fileSeqs(path))).toBe(20);
  expect((await verifyAnchored(file, dataDir, { file: path })).anchor.problems).toEqual([]);
});

test('a place that cannot be written stops no call, is warned about, and gets the newest state once it can', async () => {
  const path = join(folder, 'where.log');
  mkdirSync(path);
  const { audit, warnings } = open({ kind: 'file', path }, fastClock());
  await change(audit);
  await expect.poll(() => warnings.length).toBeGreaterThan(1);
  await change(audit);
  rmSync(path, { recursive: true });
  await expect.poll(() => fileSeqs(path).at(-1)).toBe(2);
  expect(warnings[0]).toMatchObject({ place: path, fault: 'EISDIR' });
});

test('an address gets JSON; a refusal is warned about without the address, and repeated', async () => {
  const answers = [500, 302, 200];
  const { bodies, url } = await listen(() => answers.shift() ?? 200);
  const { audit, warnings } = open({ kind: 'http', url }, fastClock());
  await change(audit);
  await expect.poll(() => bodies.length).toBe(1);
  expect(bodies[0]).toMatch(/^application\/json \{"type":"proxmox-mcp-checkpoint"/);
  expect(seqs(bodies.join('\n'))).toEqual([1]);
  expect(warnings).toEqual([
    expect.objectContaining({ fault: 'it answered 500' }),
    expect.objectContaining({ fault: 'unexpected redirect' }),
  ]);
  expect(JSON.stringify(warnings)).not.toContain('canary');
});

test('a process that ends does not wait long for an address that does not answer', async () => {
  const server = createServer(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { audit, warnings } = open({ kind: 'http', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  await change(audit);
  await audit.close();
  expect(warnings).toEqual([expect.objectContaining({ fault: 'no answer in time' })]);
});

test('syslog gets an RFC 5424 datagram; a port without a listener is noticed', async () => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  const got = once(socket, 'message');
  const first = open({ kind: 'syslog', port });
  await change(first.audit);
  const text = String((await got)[0]);
  expect(text).toMatch(/^<110>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ proxmox-mcp \d+ checkpoint - \{"type":/);
  expect(seqs(text)).toEqual([1]);
  await first.audit.close();
  socket.close();
  await once(socket, 'close');
  const second = open({ kind: 'syslog', port });
  await change(second.audit);
  await second.audit.close();
  expect(second.warnings[0]).toMatchObject({ fault: 'ECONNREFUSED' });
});
