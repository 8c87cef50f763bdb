import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { readOrMakeKey } from '../../src/audit/key-file.ts';

// A full disk cannot be had in a test: the file appears, its content does not.
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    writeFileSync: (...[file, , options]: Parameters<typeof fs.writeFileSync>) => {
      fs.writeFileSync(file, '', options);
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  };
});

it('a key that could not be written leaves nothing behind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'key-'));
  expect(() => readOrMakeKey(join(folder, 'secret.key'), () => Buffer.alloc(32))).toThrow('no space left');
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});
