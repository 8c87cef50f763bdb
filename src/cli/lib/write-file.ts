import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail } from '../../core/errors/errors.ts';

/**
 * Writes the whole file or nothing; a link stays one. A new file is its owner's alone (0600), a present one keeps its rights unless `mode` says more.
 * @throws invalid_configuration
 */
export function writeWhole(file: string, text: string, mode?: number): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const target = existsSync(file) ? realpathSync(file) : file;
    const draft = `${target}.${process.pid}`;
    rmSync(draft, { force: true });
    writeFileSync(draft, text, { flag: 'wx', mode: mode ?? (existsSync(target) ? statSync(target).mode & 0o777 : 0o600) });
    renameSync(draft, target);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    fail('invalid_configuration', `${file} cannot be written (${code}).`, {
      hint: 'Check its folder and permissions, and the free space.',
      cause,
    });
  }
}
