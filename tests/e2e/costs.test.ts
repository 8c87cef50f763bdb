import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { call, connectAgent, openPlace, type Place, run, runBinary } from './harness.ts';

const tokens = (value: unknown) => encode(JSON.stringify(value)).length;

async function expectOneRequest(place: Place, guests: number): Promise<void> {
  expect(await call(place, 'list_vms', {})).toMatchObject({ code: 0, json: { total: guests } });
  expect(place.requests.map((r) => `${r.method} ${r.path}`)).toEqual(['GET /cluster/resources']);
}

describe('requests that one call costs', () => {
  it('list_vms at 10 guests: one', async () => {
    const place = await openPlace({ seed: { guests: 10 } });
    try {
      await expectOneRequest(place, 10);
    } finally {
      await place.close();
    }
  });

  it('list_vms at 10,000 guests: one; as a client hands it to the model: one page with at most 27 tokens a row, totals below 100 tokens', async () => {
    const place = await openPlace({ seed: { guests: 10_000 } });
    const agent = await connectAgent(place);
    const structured = async (args: object) => {
      place.requests.length = 0;
      const { structuredContent } = await agent.client.callTool({ name: 'list_vms', arguments: args as Record<string, unknown> });
      expect(place.requests.map((r) => `${r.method} ${r.path}`)).toEqual(['GET /cluster/resources']);
      return structuredContent as { columns: string[]; rows: unknown[][]; total: number };
    };
    try {
      await expectOneRequest(place, 10_000);
      const page = await structured({});
      expect(page).toMatchObject({ total: 10_000, next_cursor: expect.any(String) });
      expect(page.rows).toHaveLength(60);
      expect(page.columns.join(' ')).toBe('vmid name status node cpu_percent memory_used_mb memory_mb disk_gb uptime');
      // Rows of running guests are the longest: each has all values.
      const running = (await structured({ status: 'running' })).rows;
      for (const rows of [page.rows, running]) expect(tokens(rows)).toBeLessThanOrEqual(27 * rows.length);
      expect(running.flat()).not.toContain(null);
      expect(tokens(await structured({ totals_only: true }))).toBeLessThan(100);
    } finally {
      await agent.close();
      await place.close();
    }
  }, 120_000);

  it('get_vm of a stopped VM: at most three', async () => {
    const place = await openPlace();
    try {
      const { json } = await call(place, 'list_vms', { status: 'stopped', type: 'vm' });
      const [stopped] = json.vms as { vmid: number }[];
      place.requests.length = 0;
      expect(await call(place, 'get_vm', { vmid: stopped?.vmid })).toMatchObject({ code: 0, json: { status: 'stopped' } });
      expect(place.requests.length).toBeLessThanOrEqual(3);
    } finally {
      await place.close();
    }
  });
});

describe('a server that is only started to be probed', () => {
  it('opens no store, writes nothing and sends nothing', async () => {
    const place = await openPlace();
    try {
      const agent = await connectAgent(place);
      expect((await agent.client.listTools()).tools.length).toBeGreaterThan(10);
      await agent.close();
      expect(existsSync(place.dataDir)).toBe(false);
      expect(place.requests).toEqual([]);
    } finally {
      await place.close();
    }
  });

  it('ends at once when its standard input closes, also while a call is running', async () => {
    const place = await openPlace();
    try {
      const child = spawn(process.execPath, [binary(), 'stdio'], { env: place.env, stdio: ['pipe', 'pipe', 'ignore'] });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const say = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
      say({
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
      });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      say({ method: 'notifications/initialized' });
      say({ id: 2, method: 'tools/call', params: { name: 'start_vm', arguments: { vmid: 104 } } });
      child.stdin.end();
      await ended;
      expect(child.exitCode).toBe(0);
    } finally {
      await place.close();
    }
  });
});

describe('the command line without credentials', () => {
  it('names every missing variable and ends with 2', async () => {
    const place = await openPlace();
    try {
      const bare = { env: { PATH: place.env.PATH ?? '', HOME: place.env.HOME ?? '' } };
      const refused = await runBinary(bare, ['call', 'list_vms']);
      expect(refused.code).toBe(2);
      for (const name of ['PROXMOX_HOST', 'PROXMOX_TOKEN_ID', 'PROXMOX_TOKEN_SECRET']) expect(refused.stdout).toContain(name);
      expect(await run(bare, ['call', 'list_vms', '--demo'])).toMatchObject({ code: 0, json: { simulator: true, vms: expect.any(Array) } });
    } finally {
      await place.close();
    }
  });
});
