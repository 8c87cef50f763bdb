import fs, { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { readOrMakeKey } from '../../src/core/key-file.ts';

it('a key that could not be written leaves nothing behind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'key-'));
  const write = fs.writeFileSync;
  // Stands for a full disk: the file appears, its content does not.
  const full = vi.spyOn(fs, 'writeFileSync').mockImplementation((file, _content, options) => {
    write(file, '', options);
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
  expect(() => readOrMakeKey(join(folder, 'secret.key'), () => Buffer.alloc(32))).toThrow('no space left');
  full.mockRestore();
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});
