import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fail } from '../../core/errors/errors.ts';
import { writeWhole } from '../lib/write-file.ts';
import { ask, hasTerminal } from '../terminal/terminal.ts';

/** The file that is read without being named. */
export function usualFile(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'proxmox-mcp', 'env');
}

/** @throws invalid_configuration where a file is present and the caller did not agree to replace it */
export async function targetFile(named: string | undefined, force: boolean): Promise<string> {
  const file = resolve(named ?? usualFile());
  if (!existsSync(file) || force) return file;
  if (hasTerminal() && (await ask(`${file} exists. Type yes to replace it at the end: `)).trim() === 'yes') return file;
  return fail('invalid_configuration', `${file} exists and was not changed.`, {
    hint: 'Replace it with --force, or name another file with --settings.',
  });
}

/** Writes it for its owner alone, whole or not at all. */
export function writeSettings(file: string, values: Record<string, string | undefined>): void {
  const lines = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  writeWhole(file, `# Written by proxmox-mcp setup. All settings: docs/configuration.md\n${lines.join('\n')}\n`, 0o600);
}
