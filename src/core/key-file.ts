import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname } from 'node:path';
import { fail } from './errors/errors.ts';

/**
 * The key in a file (0600), made at first use. Several processes may be first at once: each writes its own, and the link decides whose
 * stays. A file that is there and cannot be read is an error, never a reason for a new key. A new key is on the disk before it is used: an
 * empty file after a power cut would lose what was sealed with it.
 * @throws store_unavailable
 */
export function readOrMakeKey(file: string, make: () => Buffer | string): Buffer {
  const there = readKey(file);
  if (there) return there;
  const mine = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(mine, make(), { mode: 0o600, flag: 'wx', flush: true });
    fs.linkSync(mine, file);
    syncFolder(dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') unusable(file, 'made', error);
  } finally {
    fs.rmSync(mine, { force: true });
  }
  return readKey(file) ?? unusable(file, 'read', undefined);
}

/** The key in a file; undefined when there is none. @throws store_unavailable */
export function readKey(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return unusable(file, 'read', error);
  }
}

function unusable(file: string, what: 'read' | 'made', cause: unknown): never {
  const { code = 'it vanished' } = (cause ?? {}) as NodeJS.ErrnoException;
  fail('store_unavailable', `The key ${file} cannot be ${what} (${code}).`, {
    hint: `Let the user of this server read ${file}, and write to its folder. Check the free space too.`,
    cause,
  });
}

function syncFolder(folder: string): void {
  const handle = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}
