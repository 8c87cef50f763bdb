import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operations } from '../../src/operations/index.ts';
import { binary } from '../helpers/binary.ts';
import { rowsOf } from '../helpers/rows.ts';
import { openPlace, type Place, until } from './harness.ts';
import { connectPeer, type Human, PEERS, type Peer, type PeerKind, type Reply } from './peers.ts';

const TOOLS = operations.filter(({ toolset }) => toolset === 'everyday').map(({ name }) => name);
// Guests of the embedded cluster.
const STOPPED = { vmid: 104, name: 'build1' };
const RUNNING = { vmid: 103, name: 'legacy-erp' };
const NOT_CONFIRMED = { error: { code: 'approval_not_confirmed' } };

/** The shipped binary, real pipes, and what each client makes of it. */
describe.each(PEERS)('%s over stdio', (kind) => {
  let place: Place;
  let peer: Peer;
  const vmid = STOPPED.vmid;
  beforeAll(async () => {
    place = await openPlace();
    peer = await connectPeer(kind, place.env);
  }, 60_000);
  afterAll(async () => {
    await peer.close();
    await place.close();
  });

  it('opens nothing and sends nothing for a client that only looks', async () => {
    await peer.tools();
    expect(peer.stderr()).toBe('');
    expect(place.requests).toEqual([]);
    expect(existsSync(place.dataDir)).toBe(false);
  });

  it('speaks its generation', () => {
    expect(peer.protocol()).toBe({ v1: undefined, v2: '2025-11-25', 'v2 auto': '2026-07-28' }[kind]);
    expect(peer.instructions()).toContain('Never bypass');
  });

  it('lists the tools', async () => {
    expect(await peer.tools()).toEqual(TOOLS);
  });

  it('calls one and gets the answer in both forms', async () => {
    const { isError, structured, text } = await peer.call('list_vms', { name: 'build*' });
    expect(isError, text).toBeFalsy();
    expect(structured.total).toBe(1);
    expect(rowsOf(structured)).toMatchObject([STOPPED]);
    expect(text).toContain(String(vmid));
  });

  it('gets an error about its arguments', async () => {
    const unknown = await peer.call('list_vms', { colour: 'red' });
    expect(unknown).toMatchObject({ isError: true, structured: { error: { code: 'invalid_arguments', who: 'agent' } } });
    expect(unknown.text).toContain('colour');
    const illTyped = await peer.call('get_vm', { vmid: 'web' });
    expect(illTyped).toMatchObject({ isError: true, structured: { error: { code: 'invalid_arguments' } } });
  });

  it('is refused a tool that does not exist', async () => {
    await expect(peer.call('format_disk')).rejects.toMatchObject({ code: -32602 });
  });

  it('hears of progress, the UPID first', async () => {
    const heard: { progress: number; message?: string | undefined }[] = [];
    const started = await peer.call('start_vm', { vmid }, { onprogress: (progress) => void heard.push(progress) });
    expect(started.isError, started.text).toBeFalsy();
    await until('progress', () => heard.length > 0);
    expect(heard[0]?.message).toMatch(/UPID:/);
    expect(heard.map(({ progress }) => progress)).toEqual(heard.map(({ progress }) => progress).toSorted((a, b) => a - b));
  });

  it('may stop waiting, and the work continues', async () => {
    place.simulator.faults.add({
      match: { method: 'POST', path: '/status/reboot|/status/shutdown|/status/stop' },
      action: 'slow-task',
      ms: 1500,
      times: 1,
    });
    const asked = await peer.call('stop_vm', { vmid, force: true });
    const abort = new AbortController();
    const onprogress = () => abort.abort();
    await expect(
      peer.call('approve', { approval_id: asked.structured.approval_id }, { onprogress, signal: abort.signal }),
    ).rejects.toThrow();
    await until('the guest is stopped', async () => (await peer.call('get_vm', { vmid })).structured.status === 'stopped');
    const { structured } = await peer.call('get_task');
    expect(rowsOf(structured.runs as object)).toMatchObject([{ operation: 'stop_vm', vmid }, {}]);
    expect(place.mutations().filter(({ path }) => path.endsWith(`/${vmid}/status/stop`))).toHaveLength(1);
  });

  /** What a human at a second client can do, and what comes of it. Nothing but the exact text is a yes. */
  describe('asked through elicitation', () => {
    const { vmid, name } = RUNNING;
    let asked: Peer;
    let human: Human;
    /** Since this client is there. */
    const mutations = () => place.mutations().slice(before);
    let before: number;
    beforeAll(async () => {
      before = place.mutations().length;
      asked = await connectPeer(kind, place.env, (message) => human(message));
    }, 60_000);
    afterAll(() => asked.close());

    async function request(from: Peer): Promise<string> {
      const { structured } = await from.call('stop_vm', { vmid, force: true });
      expect(structured).toMatchObject({ approval_required: true, way: from === asked ? 'elicitation' : 'relay' });
      return structured.approval_id as string;
    }

    async function expectUntouched(id: string): Promise<void> {
      const { structured } = await peer.call('list_approvals', { status: 'pending' });
      expect(rowsOf(structured)).toContainEqual(expect.objectContaining({ approval_id: id }));
      expect((await peer.call('get_vm', { vmid })).structured.status).toBe('running');
      expect(mutations()).toEqual([]);
      expect((await peer.call('deny', { approval_id: id })).isError).toBeFalsy();
    }

    const noYes: [string, Reply][] = [
      ['another name', { action: 'accept', content: { typed: `other ${vmid}` } }],
      ['the name alone', { action: 'accept', content: { typed: name } }],
      ['an empty text', { action: 'accept', content: { typed: '' } }],
      ['an accept without content', { action: 'accept' }],
      ['a decline', { action: 'decline' }],
      ['a cancel', { action: 'cancel' }],
      ['a decline with the right text', { action: 'decline', content: { typed: `${name} ${vmid}` } }],
    ];
    it.each(noYes)('%s is not a yes, and the approval stays', async (_what, reply) => {
      human = () => reply;
      const id = await request(asked);
      const answer = await asked.call('approve', { approval_id: id });
      expect(answer).toMatchObject({ isError: true, structured: NOT_CONFIRMED });
      await expectUntouched(id);
    });

    it('a missing answer is not a yes, and the approval stays', async () => {
      const shown = new Promise<void>((resolve) => {
        human = () => {
          resolve();
          return new Promise<never>(() => {});
        };
      });
      const id = await request(asked);
      const abort = new AbortController();
      asked.call('approve', { approval_id: id }, { signal: abort.signal }).catch(() => {});
      await shown;
      abort.abort();
      await expectUntouched(id);
    });

    it('a client that cannot ask cannot answer for one that can', async () => {
      human = () => ({ action: 'decline' });
      const id = await request(asked);
      expect((await peer.call('approve', { approval_id: id })).structured).toMatchObject({ approval_required: true });
      await expectUntouched(id);
    });

    it('a client that cannot ask relays', async () => {
      const id = await request(peer);
      expect((await peer.call('deny', { approval_id: id })).isError).toBeFalsy();
    });

    it('the exact text is a yes, once', async () => {
      const shown: string[] = [];
      human = (message) => {
        shown.push(message);
        return { action: 'accept', content: { typed: `${name} ${vmid}` } };
      };
      const id = await request(asked);
      const answer = await asked.call('approve', { approval_id: id });
      expect(answer.isError, answer.text).toBeFalsy();
      expect((await peer.call('get_vm', { vmid })).structured.status).toBe('stopped');
      const sent = mutations().length;
      expect((await asked.call('approve', { approval_id: id })).structured).toEqual(answer.structured);
      expect(mutations()).toHaveLength(sent);
      expect(shown).toHaveLength(1);
      expect(shown[0]).toContain(`${name} ${vmid}`);
      expect(shown[0]).toContain('/status/stop');
      expect(mutations()).toHaveLength(1);
    });
  });

  it('ends when its standard input does', async () => {
    await peer.close();
    await until('the process ended', () => !alive(peer.pid), 10);
  });
});

it.each(PEERS)('the demo says in every answer to %s that it is one', async (kind) => {
  const home = mkdtempSync(join(tmpdir(), 'demo-'));
  const peer = await connectPeer(kind, { PATH: process.env.PATH ?? '', HOME: home, PROXMOX_DATA_DIR: home }, undefined, ['--demo']);
  expect(peer.instructions()).toContain('simulator');
  const answers = [
    await peer.call('list_vms', { limit: 1 }),
    await peer.call('start_vm', { vmid: STOPPED.vmid, dry_run: true }),
    await peer.call('stop_vm', { vmid: RUNNING.vmid }),
    await peer.call('get_vm', { vmid: 99_999 }),
  ];
  for (const { structured, text } of answers) {
    expect(structured.simulator).toBe(true);
    expect(text).toContain('simulator: true');
  }
  expect(answers.map(({ isError }) => isError ?? false)).toEqual([false, false, false, true]);
  await peer.close();
  await until('the process ended', () => !alive(peer.pid), 10);
  rmSync(home, { recursive: true, force: true });
});

it.each(PEERS)('a server needs no credentials to be listed by %s, and says at the first call what is missing', async (kind: PeerKind) => {
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, XDG_CONFIG_HOME: '/nonexistent' };
  const peer = await connectPeer(kind, env);
  expect(await peer.tools()).toEqual(TOOLS);
  const { structured } = await peer.call('list_vms');
  expect(structured.error).toMatchObject({
    code: 'missing_credentials',
    message: expect.stringMatching(/PROXMOX_HOST.*PROXMOX_TOKEN_SECRET/),
  });
  await peer.close();
});

describe('the end of standard input', () => {
  /** A server in the middle of a call, whose read the cluster holds back. */
  async function inTheMiddle() {
    const place = await openPlace();
    place.simulator.faults.add({ match: { method: 'GET', path: '/cluster/resources' }, action: 'hold', times: 1 });
    const child = spawn(process.execPath, [binary(), 'stdio'], { env: place.env, stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    const send = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    send({
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
    });
    send({ method: 'notifications/initialized' });
    send({ id: 2, method: 'tools/call', params: { name: 'list_vms', arguments: {} } });
    await place.simulator.faults.untilHeld();
    child.stdin.end();
    return {
      place,
      child,
      ended,
      answers: () =>
        output
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { id: number }),
    };
  }

  it('lets the calls in progress be answered, then ends the process with exit code 0', async () => {
    const { place, ended, answers } = await inTheMiddle();
    place.simulator.faults.clear();
    expect(await ended).toBe(0);
    expect(answers()).toMatchObject([{ id: 1 }, { id: 2, result: { structuredContent: { total: expect.any(Number) } } }]);
    await place.close();
  });

  it('leaves the end to a client that has no patience: SIGTERM ends the process at once, with exit code 0', async () => {
    const { place, child, ended, answers } = await inTheMiddle();
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(answers()).toMatchObject([{ id: 1 }]);
    place.simulator.faults.clear();
    await place.close();
  });
});

it('a message above the limit of the SDK ends the process with exit code 1 and its reason', async () => {
  const place = await openPlace();
  const child = spawn(process.execPath, [binary(), 'stdio'], { env: place.env, stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  child.stdin.on('error', () => {});
  child.stdin.write(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"${'x'.repeat(11 * 2 ** 20)}`);
  expect(await ended).toBe(1);
  expect(said).toContain('exceeded maximum size');
  await place.close();
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
