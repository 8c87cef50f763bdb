import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { binary } from '../../helpers/binary.ts';
import { home } from '../run.ts';

const place = home();
afterAll(place.remove);

const complete = async (...words: string[]) => (await place.run(['__complete', '--', ...words])).stdout.split('\n').filter(Boolean);

test('commands, operations, options and their values complete', async () => {
  expect(await complete('cal')).toEqual(['call']);
  expect(await complete('approvals', 'l')).toEqual(['list', 'lease']);
  expect(await complete('call', 'list_v')).toEqual(['list_vms']);
  expect(await complete('call', 'list_vms', '--out')).toEqual(['--output']);
  expect(await complete('call', 'list_vms', '--output', '')).toEqual(['json', 'table']);
  expect(await complete('help', 'ap')).toEqual(['approvals']);
  expect(await complete('help', 'approvals', 'l')).toEqual(['list', 'lease']);
  expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  // Files are for the shell.
  expect(await complete('call', 'list_vms', '--settings', '')).toEqual([]);
});

test('bash completes with its script', () => {
  const program = join(place.folder, 'proxmox-mcp');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${binary()}' "$@"\n`);
  chmodSync(program, 0o755);
  const script = `eval "$(proxmox-mcp completion bash)"
    COMP_WORDS=(proxmox-mcp call get_v); COMP_CWORD=2; _proxmox_mcp; echo "$COMPREPLY"
    complete -p proxmox-mcp`;
  const shown = execFileSync('bash', ['-c', script], {
    env: { ...place.env, PATH: `${place.folder}:${process.env.PATH}` },
    encoding: 'utf8',
  });
  expect(shown).toBe('get_vm\ncomplete -o default -F _proxmox_mcp proxmox-mcp\n');
});

test('another shell is a usage error that names the three', async () => {
  const ran = await place.run(['completion', 'tcsh']);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain('bash, zsh, fish');
  for (const shell of ['bash', 'zsh', 'fish'])
    expect((await place.run(['completion', shell])).stdout).toContain('proxmox-mcp __complete --');
});
