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
  expect(() => readOrMakeKey(join(folder, 'secret.key'), () => Buffer.alloc(32))).toThrow(
    `The key ${join(folder, 'secret.key')} cannot be made (ENOSPC).`,
  );
  full.mockRestore();
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

it('a key that is there and cannot be read is never replaced, and the error names the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'key-'));
  const file = join(folder, 'secret.key');
  fs.mkdirSync(file);
  const make = vi.fn(() => Buffer.alloc(32));
  const wanted = expect.objectContaining({ code: 'store_unavailable', message: `The key ${file} cannot be read (EISDIR).` });
  expect(() => readOrMakeKey(file, make)).toThrow(wanted);
  expect(make).not.toHaveBeenCalled();
  rmSync(folder, { recursive: true });
});
