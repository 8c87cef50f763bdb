import { type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { binary } from '../../helpers/binary.ts';
import { home } from '../run.ts';

const place = home();
afterAll(place.remove);
const { run, runBinary } = place;

test('a result is JSON in a pipe and a table on a terminal, and --output chooses', async () => {
  const list = ['call', 'list_vms', '--args', '{"name":"web1"}', '--demo'];
  expect((await runBinary(list)).json).toMatchObject({ vms: [{ name: 'web1' }] });
  expect((await run([...list, '--output', 'table'])).stdout).toMatch(/^│ 100\s+│ web1/m);
  expect((await place.runBinaryOnTerminal(list)).stdout).toMatch(/│ 100\s+│ web1/);
  const json = await place.onTerminal([...list, '-o', 'json']);
  expect(JSON.parse(json.stdout)).toMatchObject({ vms: [{ name: 'web1' }] });
  expect((await run([...list, '--output', 'yaml'])).code).toBe(2);
});

test.each([
  [['audit', 'public-key'], { public_key: expect.stringMatching(/^-----BEGIN PUBLIC KEY-----\n/) }],
  [['client-config', 'codex'], { client: 'codex', format: 'toml', configuration: expect.stringContaining('[mcp_servers.proxmox]') }],
  [['client-config', 'claude-code'], { format: 'shell', configuration: expect.stringContaining('claude mcp add') }],
  [['client-config', 'cursor'], { mcpServers: expect.anything() }],
  [['tokens', 'passphrase', 'bob'], { owner: 'bob', passphrase: 'set', has_token: false }],
])('%j with --output json writes one JSON document, also where its result is another text', async (args, wanted) => {
  const ran = await place.run([...args, '--output', 'json'], {}, 'correct horse battery staple\n');
  expect(ran.json).toMatchObject(wanted);
});

test('approvals watch with --output json writes one document a line', async () => {
  const own = home();
  await own.run(['call', 'stop_vm', '--args', '{"vmid":101}', '--demo']);
  const child = own.start(['approvals', 'watch', '--demo', '-o', 'json']);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGINT');
  await once(child, 'close');
  expect(JSON.parse(String(line))).toEqual({
    approval_id: expect.stringMatching(/^apr_/),
    status: 'pending',
    summary: expect.stringContaining('web2 (101)'),
    requester: expect.any(String),
    expires_at: expect.any(String),
  });
  own.remove();
});

test('one guest is lines of name and value, with its disks as a table', async () => {
  const { stdout } = await run(['call', 'get_vm', '--args', '{"vmid":101}', '--demo', '--output', 'table']);
  expect(stdout).toMatch(/^name: web2$/m);
  expect(stdout).toMatch(/^disks:\n┌/m);
  expect(stdout).toContain('│ scsi0 │ local-lvm:vm-101-disk-0 │');
});

test('--quiet leaves out progress and notes, never the result', async () => {
  const own = home();
  const start = (vmid: number, more: string[]) => own.run(['call', 'start_vm', '--args', JSON.stringify({ vmid }), '--demo', ...more]);
  const { vms } = (await own.run(['call', 'list_vms', '--args', '{"status":"stopped","type":"vm"}', '--demo'])).json as {
    vms: { vmid: number; template?: boolean }[];
  };
  const [one, two] = vms.filter(({ template }) => !template).map(({ vmid }) => vmid);
  expect((await start(one ?? 0, [])).stderr).toContain('done');
  expect(await start(two ?? 0, ['--quiet'])).toMatchObject({ code: 0, stderr: '', json: { status: 'running' } });
  const list = await own.run(['approvals', 'list', '--demo']);
  expect(list.stderr).toContain('shows only what local:');
  expect(list.json).toEqual({ shows: expect.stringMatching(/^only what local:\d+ requested$/), approvals: [] });
  const quiet = await own.run(['approvals', 'list', '--demo', '-q', '-o', 'table']);
  expect(quiet).toMatchObject({ stderr: '', stdout: expect.stringMatching(/^No approvals yet among those that local:\d+ requested\.$/m) });
  own.remove();
});

test.each([
  [['--help'], 0],
  [['tools'], 0],
  [['call', 'list_vms', '--demo'], 0],
  [['call', 'stop_vm', '--args', '{"vmid":101}', '--demo'], 3],
  [['approvals', 'watch', '--demo'], 0],
])('%j ends as always (%d) when its reader has closed the pipe', async (args, code) => {
  const child = spawn(process.execPath, [binary(), ...args], { env: place.env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  child.stderr.destroy();
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(code);
});

describe('where the disk below the output is full', () => {
  /** @param full the stream that is written to it: 1 or 2 */
  async function onFullDisk(full: 1 | 2, args: string[], more: Record<string, string> = {}) {
    const disk = openSync('/dev/full', 'w');
    const stdio: StdioOptions = full === 1 ? ['ignore', disk, 'pipe'] : ['ignore', 'pipe', disk];
    const child = spawn(process.execPath, [binary(), ...args], { env: { ...place.env, ...more }, stdio });
    closeSync(disk);
    let shown = '';
    (child.stdout ?? child.stderr)?.on('data', (chunk) => (shown += chunk));
    const code = await new Promise((resolve) => child.once('close', resolve));
    return { code, shown };
  }

  test('a change does not end in its middle', async () => {
    const { code, shown } = await onFullDisk(2, ['call', 'start_vm', '--args', '{"vmid":105}', '--demo']);
    expect({ code, ...JSON.parse(shown) }).toMatchObject({ code: 0, vmid: 105, status: 'running' });
  });

  test('a log line fails no call', async () => {
    const { code, shown } = await onFullDisk(2, ['call', 'get_vm', '--args', '{"vmid":100}', '--demo'], { PROXMOX_LOG_LEVEL: 'trace' });
    expect({ code, ...JSON.parse(shown) }).toMatchObject({ code: 0, vmid: 100 });
  });

  test.each([[['tools']], [['call', 'list_vms', '--demo']], [['audit', 'tail', '--demo']]])(
    '%j says in a line that its result is lost',
    async (args) => {
      const { code, shown } = await onFullDisk(1, args);
      expect({ code, shown }).toEqual({ code: 1, shown: expect.stringMatching(/^error: the result cannot be written \(ENOSPC\).*\n$/) });
    },
  );
});
