import { readFileSync, statSync } from 'node:fs';
import { fail } from '../core/errors/errors.ts';

/** @param forbidden permission bits that a file with a secret must not have. @throws invalid_configuration */
export function refuseReadable(file: string, forbidden: number): void {
  if ((statSync(file).mode & forbidden) === 0) return;
  fail('invalid_configuration', `Other users of this machine can read or change ${file}, which may hold secrets.`, {
    hint: `Run: chmod 600 ${file}`,
  });
}

/** The text of a file, or undefined where there is none. @throws invalid_configuration where it cannot be read */
export function readIfThere(path: string): string | undefined {
  try {
    // Some editors begin a file with a byte order mark.
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    fail('invalid_configuration', `${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`, {
      hint: 'Correct the file, or the rights of it and of its folder.',
      cause: error,
    });
  }
}

/** The value of a JSON text; undefined, which no schema takes, where it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The text of a file with secrets that the operator named. A service manager may let the group of its service read it.
 * @param what the file, as a subject
 * @param hint where it is missing
 */
export function readOwnFile(file: string, what: string, hint: string): string {
  const text = readIfThere(file) ?? fail('invalid_configuration', `${what} ${file} does not exist.`, { hint });
  refuseReadable(file, 0o027);
  return text;
}
