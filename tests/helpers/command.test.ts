import { afterAll, expect, test } from 'vitest';
import { home } from '../cli/run.ts';
import { command } from './command.ts';

const place = home();
afterAll(place.remove);

test.each<[what: string, args: string[], env: Record<string, string>, input: string]>([
  ['an error of the configuration', ['call', 'list_vms'], { PROXMOX_PORT: 'x' }, ''],
  ['a wrong command', ['approvals', 'aprove', 'apr_1'], {}, ''],
  ['what is read from standard input', ['call', 'get_vm', '--args', '-', '--demo'], {}, '{"vmid":987654}'],
  ['a result with a note beside it', ['approvals', 'list', '--demo', '--output', 'table'], {}, ''],
])('%s is the same in this process and in one of its own', async (_what, args, env, input) => {
  const { code, stdout, stderr } = await place.run(args, env, input);
  expect(stdout + stderr).not.toBe('');
  expect(await place.runBinary(args, env, input)).toMatchObject({ code, stdout, stderr });
});

test('a terminal shows the same', { timeout: 120_000 }, async () => {
  const args = ['tokens', 'add', '--demo', '--name', 'x', '--role', 'admin'];
  const { code, stdout } = await place.onTerminal(args);
  expect(stdout).toContain('--role must be one of');
  const shown = await place.runBinaryOnTerminal(args);
  expect({ ...shown, stdout: shown.stdout.replaceAll('\r\n', '\n') }).toMatchObject({ code, stdout });
});

test('the log of a command is on its standard error', async () => {
  const { stderr } = await place.run(['call', 'list_vms', '--demo'], { OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' });
  expect(stderr).toMatch(/^\{"level":.*OTLP endpoint/);
});

test('commands take turns, each with its own environment', async () => {
  const [one, two] = await Promise.all(
    ['PROXMOX_PORT', 'PROXMOX_MAX_VMS'].map((name) => command(['call', 'list_vms'], { env: { HOME: place.folder, [name]: 'x' } })),
  );
  expect(one?.stdout).toContain('PROXMOX_PORT (from environment)');
  expect(two?.stdout).toContain('PROXMOX_MAX_VMS (from environment)');
  expect(`${one?.stdout}`.includes('MAX_VMS') || `${two?.stdout}`.includes('PORT')).toBe(false);
});
