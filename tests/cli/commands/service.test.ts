import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { changeableBy, unitText, writeUnit } from '../../../src/cli/commands/service.ts';
import { binary } from '../../helpers/binary.ts';
import { home } from '../run.ts';

const SECRET = '0b5c3a52-0000-4000-8000-secretsecret';
const place = home({ PROXMOX_HOST: '192.0.2.1', PROXMOX_TOKEN_ID: 'mcp@pve!agent', PROXMOX_TOKEN_SECRET: SECRET });
afterAll(place.remove);

it('prints a unit with a user of its own and no secret, and every step until it runs', async () => {
  const { code, stdout, stderr } = await place.run(['service', 'install']);
  expect(code).toBe(0);
  for (const line of [
    'User=proxmox-mcp',
    'EnvironmentFile=/etc/proxmox-mcp/env',
    'StateDirectoryMode=0700',
    'UMask=0077',
    'NoNewPrivileges=true',
    'CapabilityBoundingSet=',
    'ProtectSystem=strict',
    `ExecStart=${process.execPath} ${binary()} http`,
  ])
    expect(stdout.split('\n')).toContain(line);
  expect(stdout + stderr).not.toContain(SECRET);
  expect(stdout + stderr).not.toContain('192.0.2.1');
  const steps = stderr.split('\n');
  const at = (part: string) => steps.findIndex((line) => line.includes(part));
  // A server that starts before its first token serves every user of the machine.
  expect(at('useradd')).toBeGreaterThan(-1);
  expect(at(`${binary()} tokens add`)).toBeGreaterThan(at('useradd'));
  expect(at('enable --now')).toBeGreaterThan(at('tokens add'));
});

it('is the unit of the deploy folder, for a server in /opt', () => {
  const shipped = readFileSync('deploy/proxmox-mcp.service', 'utf8');
  expect(unitText({ node: '/usr/bin/node', entry: '/opt/proxmox-mcp/dist/cli.js', user: 'proxmox-mcp' })).toBe(shipped);
});

it('knows what spaces and percent signs mean in a unit', () => {
  const unit = unitText({ node: '/opt/my node', entry: '/srv/a%b/cli.js', user: 'mcp' });
  expect(unit).toContain('ExecStart="/opt/my node" /srv/a%%b/cli.js http');
  expect(unit).toContain('User=mcp\nGroup=mcp\n');
});

it('refuses an invalid user', async () => {
  const { code, stderr, stdout } = await place.run(['service', 'install', '--user', 'a b']);
  expect(code).toBe(2);
  expect(stderr).toContain('--user');
  expect(stdout).toBe('');
});

it('does not write over a unit that was changed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'unit-'));
  const file = join(folder, 'proxmox-mcp.service');
  expect(writeUnit(file, 'one', false)).toBe('written');
  expect(writeUnit(file, 'one', false)).toBe('as it should be');
  expect(() => writeUnit(file, 'two', false)).toThrow(/exists with other content/);
  expect(readFileSync(file, 'utf8')).toBe('one');
  expect(writeUnit(file, 'two', true)).toBe('replaced');
  expect(readFileSync(file, 'utf8')).toBe('two');
  expect(() => writeUnit(join(folder, 'nowhere', 'x'), 'one', false)).toThrow(
    expect.objectContaining({
      message: expect.stringContaining('(ENOENT)'),
      hint: 'Name a folder of systemd with --folder, or leave out --write to print the unit.',
    }),
  );
  rmSync(folder, { recursive: true });
});

it('refuses to install a program that an agent can change', async () => {
  const copy = mkdtempSync(join(place.folder, 'clone-'));
  cpSync(join(binary(), '..'), join(copy, 'dist'), { recursive: true });
  writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
  chmodSync(join(copy, 'dist'), 0o777);
  const entry = join(copy, 'dist/cli.js');
  const run = (...more: string[]) =>
    spawnSync(process.execPath, [entry, 'service', 'install', ...more], { env: place.env, encoding: 'utf8' });
  const written = run('--write', '--folder', place.folder);
  expect(written.status).toBe(2);
  expect(written.stderr).toContain('who can change the program of a service gets all its rights');
  expect(existsSync(join(place.folder, 'proxmox-mcp.service'))).toBe(false);
  expect(run().stderr).toContain('who can change the program of a service gets all its rights');
});

it('tells what root alone can change', () => {
  expect(changeableBy(realPath('/bin/sh'))).toBeUndefined();
  const file = join(place.folder, 'open');
  writeFileSync(file, '');
  chmodSync(file, 0o666);
  expect(changeableBy(file)).toContain(file);
});

it('doctor says that approvals are advisory for programs that run as the user of the server', async () => {
  const { stdout } = await place.run(['doctor', '--demo']);
  expect(stdout).toContain('They are advisory for any agent that has a shell as this user');
});

function realPath(path: string): string {
  return execFileSync('readlink', ['-f', path], { encoding: 'utf8' }).trim();
}
