import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { call, openPlace, type Place, until } from './harness.ts';
import { type HttpServer, startHttp } from './http-server.ts';

let place: Place;
let server: HttpServer;
beforeAll(async () => {
  place = await openPlace();
  server = await startHttp(place);
});
afterAll(async () => {
  await server.close();
  await place.close();
});

type Generation = 'legacy' | 'auto';

function clientOf(mode: Generation): { client: Client; heard: string[] } {
  const client = new Client({ name: 'watcher', version: '1' }, { versionNegotiation: { mode } });
  const heard: string[] = [];
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri));
  return { client, heard };
}

async function subscribe(client: Client, mode: Generation, uri: string): Promise<void> {
  if (mode === 'legacy') await client.subscribeResource({ uri });
  else await client.listen({ resourceSubscriptions: [uri] });
}

/**
 * Acts, and acts again where nothing was heard of it: the first look of the feed is the one that later ones are compared with, so a change may come
 * too early. The feed looks every five seconds.
 */
async function untilHeard(heard: string[], act: () => Promise<unknown>): Promise<void> {
  await until('a change is heard', async () => {
    await act();
    for (let waits = 0; heard.length === 0 && waits < 70; waits++) await sleep(100);
    return heard.length > 0;
  });
}

it.each(['legacy', 'auto'] as const)(
  'a %s client on a pipe hears of guests that another process makes',
  async (mode) => {
    const { client, heard } = clientOf(mode);
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: [binary(), 'stdio'], env: place.env, stderr: 'ignore' }),
    );
    await subscribe(client, mode, 'proxmox://guests');
    let made = 0;
    await untilHeard(heard, () =>
      call(place, 'create_vm', { name: `new-${mode}-${made++}`, disk_gb: 1, node: 'pve', storage: 'local-lvm' }),
    );
    expect(new Set(heard)).toEqual(new Set(['proxmox://guests']));
    await client.close();
  },
  120_000,
);

it.each(['legacy', 'auto'] as const)(
  'a %s client over HTTP hears of its approvals, and may not watch a guest',
  async (mode) => {
    const { client, heard } = clientOf(mode);
    const close = await server.connect(client);
    const ask = async () =>
      (await client.callTool({ name: 'stop_vm', arguments: { vmid: 101 } })).structuredContent as { approval_id: string };
    await subscribe(client, mode, 'proxmox://approvals');
    if (mode === 'legacy') await expect(subscribe(client, mode, 'proxmox://guest/101')).rejects.toMatchObject({ code: -32602 });
    await untilHeard(heard, async () => client.callTool({ name: 'deny', arguments: { approval_id: (await ask()).approval_id } }));
    expect(new Set(heard)).toEqual(new Set(['proxmox://approvals']));
    await close();
  },
  120_000,
);
