import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { rowsOf } from '../helpers/rows.ts';
import { openPlace, type Place } from './harness.ts';
import { type HttpServer, startHttp } from './http-server.ts';

interface Row {
  mode: 'relay' | 'auto' | 'human';
  human: string;
  transport: 'stdio' | 'HTTP';
  end: string;
}
/** The table of docs/approvals.md is generated from the same file. */
const rows = JSON.parse(readFileSync(new URL('../../docs/approvals-matrix.json', import.meta.url), 'utf8')) as Row[];

/** A running guest of its own for each row: every second one of the cluster runs. */
const guestOf = (row: Row) => 10_000 + 2 * rows.indexOf(row);

let place: Place;
const servers = new Map<string, HttpServer>();
beforeAll(async () => {
  place = await openPlace({ seed: { guests: 2 * rows.length } });
  for (const mode of ['relay', 'auto', 'human'])
    servers.set(mode, await startHttp(place, { PROXMOX_APPROVAL: mode, PROXMOX_MAX_PENDING: '100' }));
}, 60_000);
afterAll(async () => {
  for (const client of clients.values()) await (await client).close();
  await Promise.all([...servers.values()].map((server) => server.close()));
  await place.close();
});

/** The row whose human answers now, and what this human has to type. */
let present: { row: Row; mustType: string };

function answerOfHuman(params: unknown) {
  const field = Object.keys((params as { requestedSchema?: { properties?: object } }).requestedSchema?.properties ?? {})[0] ?? 'typed';
  switch (present.row.human) {
    case 'types the name':
      return { action: 'accept' as const, content: { [field]: present.mustType } };
    case 'types another name':
      return { action: 'accept' as const, content: { [field]: 'something else 999' } };
    case 'accepts without text':
      return { action: 'accept' as const, content: { [field]: '' } };
    case 'declines':
      // A person needs longer than a second; sooner it is the client that answers.
      return setTimeout(1_100, { action: 'decline' as const });
    case 'sees no form: the client declines by itself':
      return { action: 'decline' as const };
    case 'cancels':
      return { action: 'cancel' as const };
    default:
      return new Promise<never>(() => {});
  }
}

/** One client, and one process on stdio, for each mode and transport, with and without a form: a client says once whether it can show one. */
const clients = new Map<string, Promise<Client>>();
function clientFor({ mode, transport, human }: Row): Promise<Client> {
  const canAsk = human !== 'cannot be asked';
  const key = `${mode} ${transport} ${canAsk}`;
  const client = clients.get(key) ?? connect(mode, transport, canAsk);
  clients.set(key, client);
  return client;
}

async function connect(mode: Row['mode'], transport: Row['transport'], canAsk: boolean): Promise<Client> {
  const client = new Client({ name: 'matrix', version: '1' }, { capabilities: canAsk ? { elicitation: { form: {} } } : {} });
  if (canAsk) client.setRequestHandler('elicitation/create', async ({ params }) => answerOfHuman(params));
  if (transport === 'HTTP') await (servers.get(mode) as HttpServer).connect(client);
  else {
    const env = { ...place.env, PROXMOX_APPROVAL: mode, PROXMOX_MAX_PENDING: '100' };
    await client.connect(new StdioClientTransport({ command: process.execPath, args: [binary(), 'stdio'], env, stderr: 'ignore' }));
  }
  return client;
}

describe.each(rows)('$mode, over $transport, a human who $human', (row) => {
  it(`ends: ${row.end}`, async () => {
    const vmid = guestOf(row);
    present = { row, mustType: `guest-${vmid} ${vmid}` };
    const client = await clientFor(row);
    const tool = async (tool: string, args: object, timeout = 30_000) =>
      (await client.callTool({ name: tool, arguments: args as Record<string, unknown> }, { timeout })).structuredContent as Record<
        string,
        unknown
      >;
    const asked = await tool('stop_vm', { vmid, force: true });
    expect(asked.approval_required).toBe(true);
    const answer = await tool('approve', { approval_id: asked.approval_id }, row.human === 'never answers' ? 3_000 : 30_000).catch(
      (error: Error) => ({
        gaveUp: error.message,
      }),
    );
    const { status } = (await tool('get_vm', { vmid })) as { status?: string };
    const done = row.end.startsWith('done');
    expect(status, JSON.stringify(answer)).toBe(done ? 'stopped' : 'running');
    const approvals = rowsOf<{ approval_id: string; status: string; decided_via?: string }>(await tool('list_approvals', { limit: 100 }));
    const approval = approvals.find((a) => a.approval_id === asked.approval_id);
    expect(approval?.status).toBe(done ? 'succeeded' : row.end.endsWith('denied') ? 'denied' : 'pending');
    if (done)
      expect(approval?.decided_via).toMatch(
        row.end.includes('relayed') ? /^relayed by agent, no human verified$/ : /^answered in the client$/,
      );
    if (row.end === 'waits for a human') expect(answer).toMatchObject({ approval_required: true });
  }, 60_000);
});
