import { syncBuiltinESMExports } from 'node:module';
import nock from 'nock';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { ProxmoxClient } from '../../src/proxmox/client.ts';
import { type Exchange, type Recording, readExchanges } from '../contract/replay.ts';
import { connectionTo, openClient } from '../proxmox/server.ts';

// Loading it takes the place of fetch and node:https, for the other files of the process too: also in the names that a module imports,
// where this file is the first one that does.
nock.restore();
syncBuiltinESMExports();

const HOST = 'pve.test';
const ORIGIN = `https://${HOST}:8006`;

interface Wire {
  method: string;
  /** Path below /api2/json, as it left. */
  path: string;
  /** Parameters of query or form, in order. */
  params: [string, string][];
  type: string | undefined;
}

/** Genuine answers of Proxmox VE 9.2 in the place of node:https, for the tests of a file. What no test prepared does not leave. */
export function withRecordings(): { client(): ProxmoxClient; sent: Wire[] } {
  let client: ProxmoxClient;
  const sent: Wire[] = [];
  beforeAll(() => {
    nock.activate();
    nock.disableNetConnect();
    nock.emitter.on('no match', () => {});
    client = openClient(connectionTo([{ host: HOST, port: 8006 }], { fingerprints: ['00'.repeat(32)] }));
  });
  afterEach(() => {
    nock.cleanAll();
    sent.length = 0;
  });
  afterAll(async () => {
    await client.close();
    nock.enableNetConnect();
    nock.restore();
  });
  return { client: () => client, sent };
}

/** Answers this request once, as Proxmox answered it, and notes what came. */
export function answer(exchange: Exchange, sent: Wire[] = [], always = false): void {
  const { method, path, body } = exchange;
  const scope = nock(ORIGIN)
    .persist(always)
    .intercept((url) => pathOf(url) === path, method);
  scope.reply(function (uri, form) {
    const { searchParams } = new URL(uri, ORIGIN);
    const params = [...searchParams, ...new URLSearchParams(typeof form === 'string' ? form : '')];
    sent.push({ method, path: pathOf(uri), params, type: this.req.headers['content-type'] as string | undefined });
    const text = JSON.stringify(body);
    return [200, text, { 'content-type': 'application/json;charset=UTF-8', 'content-length': String(Buffer.byteLength(text)) }];
  });
}

const pathOf = (uri: string): string => uri.replace(/\?.*/, '').replace(/^.*\/api2\/json/, '');

/** Exchanges that went well, of a recording. */
export function successes(name: Recording): Exchange[] {
  return readExchanges(name)
    .filter(({ status_line }) => / 200 /.test(status_line))
    .map((one) => {
      const [path = '', query] = one.path.split('?');
      return query === undefined ? one : { ...one, path, params: [...new URLSearchParams(query)] };
    });
}

/** Parameters as the adapter takes them: a name that comes several times is a list. */
export function paramsOf({ params }: Exchange): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {};
  for (const [name, value] of params ?? []) {
    const before = found[name];
    found[name] = before === undefined ? String(value) : [before, String(value)].flat();
  }
  return found;
}

/** Lets these recorded answers stand, by number. */
export function standing(name: Recording, ...numbers: number[]): void {
  for (const one of successes(name)) if (numbers.includes(one.n)) answer(one, [], true);
}
