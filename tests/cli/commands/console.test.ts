import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sshLine } from '../../../src/cli/commands/console.ts';
import { binary } from '../../helpers/binary.ts';

test('without a terminal it prints no link, because no human would see it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'console-command-'));
  try {
    const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        [binary(), 'console', '--demo'],
        { env: { HOME: folder, PROXMOX_DATA_DIR: folder } },
        (error, out, err) => resolve({ code: error?.code ?? 0, output: out + err }),
      );
      child.stdin?.end('\n');
    });
    expect(code).toBe(3);
    expect(output).toContain('approval_needs_human');
    expect(output).not.toContain('http');
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('over ssh the link is of another computer, so the line of a tunnel is shown', () => {
  const ssh = { SSH_CONNECTION: '192.0.2.7 51234 192.0.2.1 22', USER: 'alice' };
  expect(sshLine(4711, ssh)).toBe('ssh -N -L 4711:127.0.0.1:4711 alice@192.0.2.1');
  expect(sshLine(4711, {})).toBeUndefined();
});
