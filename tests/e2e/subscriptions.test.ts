import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { call, openPlace, type Place, until } from './harness.ts';
import { startHttp } from './http-server.ts';

let place: Place;
beforeEach(async () => {
  place = await openPlace();
});
afterEach(() => place.close());

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

it.each(['legacy', 'auto'] as const)(
  'a %s client on a pipe hears of guests that another process makes',
  async (mode) => {
    const { client, heard } = clientOf(mode);
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: [binary(), 'stdio'], env: place.env, stderr: 'ignore' }),
    );
    await subscribe(client, mode, 'proxmox://guests');
    // The first look of the feed is the one that later ones are compared with, so a change may come too early.
    let made = 0;
    await until('a change is heard', async () => {
      await call(place, 'create_vm', { name: `new-${made++}`, disk_gb: 1, node: 'pve', storage: 'local-lvm' });
      return heard.length > 0;
    });
    expect(new Set(heard)).toEqual(new Set(['proxmox://guests']));
    await client.close();
  },
  120_000,
);

it.each(['legacy', 'auto'] as const)(
  'a %s client over HTTP hears of its approvals, and may not watch a guest',
  async (mode) => {
    const server = await startHttp(place);
    const { client, heard } = clientOf(mode);
    const close = await server.connect(client);
    const ask = async () =>
      (await client.callTool({ name: 'stop_vm', arguments: { vmid: 101 } })).structuredContent as { approval_id: string };
    await subscribe(client, mode, 'proxmox://approvals');
    if (mode === 'legacy') await expect(subscribe(client, mode, 'proxmox://guest/101')).rejects.toMatchObject({ code: -32602 });
    await until('a decision is heard', async () => {
      await client.callTool({ name: 'deny', arguments: { approval_id: (await ask()).approval_id } });
      return heard.length > 0;
    });
    expect(new Set(heard)).toEqual(new Set(['proxmox://approvals']));
    await close();
    await server.close();
  },
  120_000,
);
