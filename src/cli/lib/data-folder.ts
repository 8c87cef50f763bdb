import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../../core/errors/errors.ts';

/** The users who may write into the data folder. A folder that does not exist yet is created for its owner alone. */
export function dataFolderWriters(dataDir: string): 'all users' | 'group' | 'owner' {
  const mode = modeOf(dataDir) ?? 0o700;
  if ((mode & 0o002) !== 0) return 'all users';
  return (mode & 0o020) !== 0 ? 'group' : 'owner';
}

/** Undefined where it cannot be read. The first file that is opened there says why. */
function modeOf(path: string): number | undefined {
  try {
    return statSync(path).mode;
  } catch {
    return undefined;
  }
}

/**
 * In a folder that all users can write, another user may replace the store, the key or the audit by a link.
 * @throws invalid_configuration
 */
export function refuseOpenDataFolder(dataDir: string): void {
  if (dataFolderWriters(dataDir) !== 'all users') return;
  fail('invalid_configuration', `Every user of this machine can write into the data folder ${dataDir}.`, {
    hint: `Run \`chmod 700 ${dataDir}\`, or set PROXMOX_DATA_DIR to another folder.`,
  });
}

/** Whether a store exists. A diagnosis creates none. */
export function hasStore({ dataDir, databaseUrl }: { dataDir: string; databaseUrl?: string | undefined }): boolean {
  return databaseUrl !== undefined || existsSync(join(dataDir, 'store.sqlite'));
}
