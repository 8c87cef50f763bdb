import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, expect, test } from 'vitest';
import { operations } from '../../src/operations/index.ts';
import { binary } from '../helpers/binary.ts';
import { home } from './run.ts';

/** The tools of a server without PROXMOX_TOOLSETS. */
const OFFERED = operations.filter(({ toolset }) => toolset === 'everyday').map(({ name }) => name);
const root = join(import.meta.dirname, '../..');
const place = home();
afterAll(place.remove);
const { run, runBinary } = place;

test('without credentials every missing variable is named, for people and for programs', async () => {
  const { code, json } = await run(['call', 'list_vms']);
  const { stderr } = await run(['call', 'list_vms', '--output', 'table']);
  expect(code).toBe(2);
  const { error } = json as { error: { code: string; details: { missing: string[] } } };
  expect(error.code).toBe('missing_credentials');
  expect(error.details.missing).toEqual(['PROXMOX_HOST', 'PROXMOX_TOKEN_ID', 'PROXMOX_TOKEN_SECRET']);
  for (const name of error.details.missing) expect(stderr).toContain(name);
});

test.each([
  ['{', 'invalid_json', 2],
  ['[1]', 'invalid_json', 2],
  ['null', 'invalid_json', 2],
])('--args %s', async (args, code, exit) => {
  const ran = await run(['call', 'list_vms', '--args', args]);
  expect(ran.code).toBe(exit);
  expect(ran.json).toMatchObject({ error: { code } });
});

test('--args - reads them from standard input: a password on the command line is visible to every user of the machine', async () => {
  const ran = await run(['call', 'get_vm', '--args', '-', '--demo'], {}, '{"vmid":100}\n');
  expect(ran.json).toMatchObject({ vmid: 100 });
  expect((await run(['call', 'list_vms', '--args', '-', '--demo'])).json).toMatchObject({ error: { code: 'invalid_json' } });
});

test.each(['abc', '0', '-5', ''])('audit tail --lines %j is refused', async (count) => {
  expect(await run(['audit', 'tail', `--lines=${count}`])).toMatchObject({ code: 2, stdout: '' });
});

test('audit tail shows a person what failed in one sentence, and a program the whole message', async () => {
  await run(['call', 'set_resources', '--args', '{"vmid":100,"memory":65536}', '--demo']);
  const person = (await run(['audit', 'tail', '--lines', '1', '--demo', '--output', 'table'])).stdout;
  expect(person).toContain('quota_exceeded: Too much');
  expect(person).not.toContain('Fits');
  expect((await run(['audit', 'tail', '--lines', '1', '--demo'])).stdout).toContain('Fits: 32768 MiB.');
});

test('an error on a terminal quotes nothing that could change how it reads', async () => {
  const { stderr } = await run(['call', 'get\u001b[2J\u202e_vm\nnext: approve it', '--demo', '--output', 'table']);
  for (const hidden of ['\u001b', '\u202e']) expect(stderr).not.toContain(hidden);
  expect(stderr.match(/^next:/gm)).toHaveLength(1);
});

test('an error is printed once: as JSON where a program reads, as text where a person reads', async () => {
  const program = await run(['call', 'get_vm', '--args', '{"vmid":987654}', '--demo']);
  expect(program).toMatchObject({ code: 1, stderr: '', json: { error: { code: 'guest_not_found' } } });
  const person = await run(['call', 'get_vm', '--args', '{"vmid":987654}', '--demo', '--output', 'table']);
  expect(person).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^error \(guest_not_found\): .*\nnext: .*\n$/) });
  const asked = await run(['audit', 'verify', '--settings', '/nope.env', '--output', 'json']);
  expect(asked).toMatchObject({ code: 2, stderr: '', json: { error: { code: 'invalid_configuration' } } });
  const terminal = await place.runBinaryOnTerminal(['call', 'nonsense', '--demo']);
  expect(terminal.stdout.match(/Unknown operation/g)).toHaveLength(1);
});

test('version says what runs, and -v and --version the number alone', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect((await run(['version'])).json).toMatchObject({ version, node: process.versions.node });
  expect((await run(['version', '-o', 'table'])).stdout).toContain(`proxmox-mcp ${version}, Node ${process.versions.node}`);
  for (const option of ['-v', '--version']) expect((await run([option])).stdout).toBe(`${version}\n`);
});

test('malformed arguments are not repeated, they may hold a secret', async () => {
  const ran = await run(['call', 'create_vm', '--args', '{"password":canary-1']);
  expect(ran.stdout + ran.stderr).not.toContain('canary');
});

test.each([[['nonsense']], [['call']], [['call', 'list_vms', '--unknown']], [['approvals', 'approve']], [['approvals', 'nonsense']]])(
  '%j is a usage error and runs nothing',
  async (args) => {
    const ran = await run(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('--help');
    expect(ran.stdout).toBe('');
  },
);

test.each([[['--help']], [['call', '--help']], [['approvals', 'approve', '--help']], [['--version']]])('%j ends with 0', async (args) => {
  const ran = await run(args);
  expect(ran.code).toBe(0);
  expect(ran.stdout.length).toBeGreaterThan(4);
});

test('a wrong setting is named with its place, before anything else happens', async () => {
  const ran = await run(['call', 'list_vms'], { PROXMOX_PORT: 'x', PROXMOX_TOKEN_ID: 'me@pam' });
  expect(ran.code).toBe(2);
  expect(ran.json).toMatchObject({ error: { code: 'invalid_configuration' } });
  expect(ran.stdout).toContain('PROXMOX_PORT (from environment)');
  expect(ran.stdout).toContain('PROXMOX_TOKEN_ID (from environment)');
});

test.each([
  [['call', 'list_vms', '--demo', '--output', 'table']],
  [['stdio', '--demo']],
  [['http', '--port', '0', '--demo']],
  [['approvals', 'list', '--demo']],
])('%j does not start with a rule about an operation that does not exist: it would forbid nothing', async (args) => {
  const file = join(place.folder, 'policy.json');
  writeFileSync(file, JSON.stringify({ rules: [{ match: { operation: ['delete_vms'] }, never: true }] }));
  const ran = await run(args, { PROXMOX_POLICY_FILE: file });
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain('"delete_vms", which is not an operation');
});

test('a setting that is misspelt is not ignored in silence: its limit does not hold', async () => {
  const { code, stderr } = await runBinary(['call', 'get_vm', '--args', '{"vmid":100}', '--demo'], {
    PROXMOX_READONLY: 'true',
    PROXMOX_VE_API: 'x',
  });
  expect(code).toBe(0);
  expect(stderr).toContain(
    'PROXMOX_READONLY (from environment) is not a setting of this server and is ignored. Did you mean PROXMOX_READ_ONLY?',
  );
  expect(stderr).not.toContain('PROXMOX_VE_API');
});

// Node itself reads the file of the second one.
test.each(['--settings', '--env-file'])('settings come from a file that %s names', async (option) => {
  const file = join(place.folder, 'some.env');
  writeFileSync(file, 'PROXMOX_HOST=pve.example.org\nPROXMOX_TOKEN_ID=mcp@pve!agent\n', { mode: 0o600 });
  const ran = await runBinary(['call', 'list_vms', option, file]);
  expect(ran.json).toMatchObject({ error: { details: { missing: ['PROXMOX_TOKEN_SECRET'] } } });
});

test('a settings file that does not exist is an error of ours: exit 2, and the option by its name', async () => {
  const ran = await run(['call', 'list_vms', '--settings', '/nope.env']);
  expect(ran.code).toBe(2);
  expect(ran.json).toMatchObject({
    error: { message: 'The env file /nope.env does not exist.', hint: 'Correct --settings or PROXMOX_ENV_FILE.' },
  });
});

test.each([
  ['/nowhere/ca.pem', 'cannot be read (ENOENT)'],
  [import.meta.filename, 'does not contain a valid PEM certificate'],
])('a file of the authority that is missing is told from one that holds none: %s', async (file, words) => {
  const connection = { PROXMOX_HOST: '127.0.0.1:1', PROXMOX_TOKEN_ID: 'mcp@pve!agent', PROXMOX_TOKEN_SECRET: 'x' };
  const ran = await run(['call', 'list_vms', '-o', 'table'], { ...connection, PROXMOX_CA_FILE: file });
  expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(`PROXMOX_CA_FILE (${file}) ${words}.`) });
});

test('an unreachable host is an error of its own, and the secret is nowhere', async () => {
  const connection = { PROXMOX_HOST: '127.0.0.1:1', PROXMOX_TOKEN_ID: 'mcp@pve!agent', PROXMOX_TOKEN_SECRET: 'canary-secret' };
  const ran = await runBinary(['call', 'list_vms'], { ...connection, PROXMOX_LOG_LEVEL: 'trace' });
  expect(ran.code).toBe(1);
  expect(ran.json).toMatchObject({ error: { code: 'unreachable', who: 'operator' } });
  expect(ran.stdout + ran.stderr + readFileSync(join(place.folder, '.local/state/proxmox-mcp/audit.jsonl'), 'utf8')).not.toContain(
    'canary',
  );
});

test('nothing runs when the audit cannot be written', async () => {
  const blocked = join(place.folder, 'blocked');
  writeFileSync(blocked, '');
  const connection = { PROXMOX_HOST: '127.0.0.1:1', PROXMOX_TOKEN_ID: 'mcp@pve!agent', PROXMOX_TOKEN_SECRET: 'x' };
  const ran = await run(['call', 'list_vms'], { ...connection, PROXMOX_AUDIT_FILE: join(blocked, 'audit.jsonl') });
  expect(ran.code).toBe(1);
  expect(ran.json).toMatchObject({ error: { code: 'audit_unavailable' } });
});

test('audit verify needs no credentials; a missing file is a failure', async () => {
  const fresh = home();
  const none = await fresh.run(['audit', 'verify']);
  expect(none.code).toBe(1);
  expect(none.stderr).toContain('No audit trail exists');
  expect(none.stderr).toContain('add --demo');
  const file = join(fresh.folder, 'audit.jsonl');
  writeFileSync(file, '');
  expect((await fresh.run(['audit', 'verify'], { PROXMOX_AUDIT_FILE: file })).json).toMatchObject({ ok: true, count: 0 });
  writeFileSync(file, `{"seq":1,"prev":"${'0'.repeat(64)}","hash":"${'1'.repeat(64)}"}\n`);
  const changed = await fresh.run(['audit', 'verify'], { PROXMOX_AUDIT_FILE: file });
  expect(changed.code).toBe(1);
  expect(changed.json).toMatchObject({ ok: false, problems: [{ line: 1 }] });
  fresh.remove();
});

test('tools lists every operation', async () => {
  const { json } = await run(['tools']);
  expect((json as { name: string }[]).map((tool) => tool.name)).toEqual(operations.map(({ name }) => name));
});

test('mcp.json runs the clone', async () => {
  const { mcpServers } = JSON.parse(readFileSync(join(root, 'mcp.json'), 'utf8'));
  for (const { args, env } of Object.values(mcpServers) as { args: string[]; env?: Record<string, string> }[]) {
    expect(await toolsOf(process.execPath, args, root, env)).toEqual(OFFERED);
  }
});

test('a server that is only looked at leaves no trace, and says at the first call what is missing', async () => {
  const fresh = home();
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [binary()], env: fresh.env, cwd: fresh.folder }));
  expect((await client.listTools()).tools.length).toBe(OFFERED.length);
  expect(existsSync(join(fresh.folder, '.local'))).toBe(false);
  const answer = await client.callTool({ name: 'list_vms', arguments: {} });
  expect(answer.isError).toBe(true);
  expect(answer.structuredContent).toMatchObject({ error: { code: 'missing_credentials' } });
  await client.close();
  fresh.remove();
});

test('the working folder has no say', async () => {
  mkdirSync(join(place.folder, 'proxmox-mcp'), { recursive: true });
  writeFileSync(join(place.folder, '.env'), 'PROXMOX_HOST=evil\nPROXMOX_TOKEN_ID=a@pve!bc\nPROXMOX_TOKEN_SECRET=x\n');
  expect((await runBinary(['call', 'list_vms'])).json).toMatchObject({ error: { code: 'missing_credentials' } });
});

async function toolsOf(command: string, args: string[], cwd: string, env: Record<string, string> = {}): Promise<string[]> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StdioClientTransport({ command, args, cwd, env: { ...place.env, ...env } }));
  const { tools } = await client.listTools();
  await client.close();
  return tools.map((tool) => tool.name);
}

test('a data folder that cannot be written is named, in the demo too', async () => {
  const file = join(place.folder, 'a-file');
  writeFileSync(file, '');
  const ran = await run(['call', 'list_vms', '--demo'], { PROXMOX_DATA_DIR: join(file, 'x') });
  expect(ran.code).toBe(1);
  expect(ran.json).toMatchObject({ error: { code: 'store_unavailable', message: expect.stringContaining('a-file') } });
});

test('an audit that cannot be read is not one that was changed', async () => {
  const own = home();
  mkdirSync(join(own.folder, 'audit.jsonl'));
  const ran = await own.run(['audit', 'verify', '-o', 'json'], { PROXMOX_DATA_DIR: own.folder });
  expect(ran.json).toMatchObject({
    error: { code: 'audit_unavailable', message: expect.stringContaining('EISDIR'), hint: expect.stringContaining('permissions') },
  });
  own.remove();
});

test('a key of the audit that is damaged is named', async () => {
  const own = home();
  writeFileSync(join(own.folder, 'audit-anchor.key'), 'x', { mode: 0o600 });
  const ran = await own.run(['audit', 'public-key'], { PROXMOX_DATA_DIR: own.folder });
  expect(ran).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('audit-anchor.key does not contain a private key') });
  own.remove();
});

test.each([
  [['cal', 'list_vms'], 'Did you mean: proxmox-mcp call?'],
  [['list_vm'], 'Did you mean: proxmox-mcp call list_vms?'],
  [['audit', '--demo'], 'audit has: verify, rotate, public-key, tail'],
  [['audit'], 'a command is missing'],
  [['approvals', 'aprove', 'apr_1'], 'Did you mean: proxmox-mcp approvals approve?'],
  [['call', 'list_vm', '--demo', '-o', 'table'], 'Did you mean list_vms?'],
  [['call', 'stop_vm', '100'], '(parameters go into --args'],
  [['call', 'stop_vm', '--vmid', '100'], '(parameters go into --args'],
  [['client-config', 'claude'], 'Unknown client "claude". Did you mean claude-code or claude-desktop?'],
  [['http', '--port', 'abc', '--demo'], 'Help: proxmox-mcp http --help'],
  [['list_vms'], 'proxmox-mcp call list_vms'],
  [['--demo', 'call', 'list_vms'], 'options come after the command'],
  [['call', 'stop_vm', '--approve', '--demo'], 'An id is missing'],
  [['call', 'list_vms', '--demo', '--wait', '', '-o', 'table'], '--wait (seconds) must be a whole number'],
  [['demo', '--serve', ''], '--serve must be a whole number'],
  [['audit', 'tail', '--lines', '0x10', '--demo'], '--lines must be a whole number'],
  [['audit', 'tail', '--lines', '9'.repeat(400), '--demo'], '--lines must be a whole number'],
])('%j gets an error that says what is wrong with it', async (args, words) => {
  const ran = await run(args);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain(words);
});
