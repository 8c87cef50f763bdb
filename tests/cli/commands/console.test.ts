import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { binary } from '../../helpers/binary.ts';

test('without a terminal no human would see the link, so there is none', async () => {
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
