import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import SqliteDatabase from '../../src/sqlite.ts';
import { bearer, rpc } from '../http/http-server.ts';
import { openPlace, until } from './harness.ts';
import { startHttp } from './http-server.ts';

it('while another process holds the lock of SQLite, the shipped server answers others, ends on a signal, and sends nothing', async () => {
  const place = await openPlace();
  const server = await startHttp(place);
  const other = new SqliteDatabase(join(place.dataDir, 'store.sqlite'));
  try {
    other.exec('BEGIN IMMEDIATE');
    let answered = false;
    const call = rpc(server.url, 'tools/call', { name: 'start_vm', arguments: { vmid: 105 } }, bearer(server.token)).then(
      async (response) => {
        answered = true;
        return response.text();
      },
    );
    await until('the call has planned', () => place.requests.some(({ path }) => path.endsWith('/qemu/105/status/current')));
    for (let probe = 0; probe < 20; probe++) {
      expect((await fetch(new URL('/healthz', server.url))).status).toBe(200);
      await sleep(50);
    }
    expect((await rpc(server.url, 'tools/call', { name: 'list_vms', arguments: {} }, bearer(server.token))).status).toBe(200);
    // A server that stood still would have answered everything at once, when the patience of the lock was over.
    expect(answered).toBe(false);
    await Promise.all([server.close(), call.catch(() => {})]);
    expect(place.mutations()).toEqual([]);
  } finally {
    other.close();
    await place.close();
  }
}, 120_000);
