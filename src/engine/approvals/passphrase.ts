import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashPassphrase, isPassphrase } from '../../core/people/passphrase.ts';

const fileIn = (dataDir: string) => join(dataDir, 'approver.scrypt');

/** Whether decisions on this machine need the approver's passphrase. */
export function hasPassphrase(dataDir: string): boolean {
  return existsSync(fileIn(dataDir));
}

/** Sets the approver's passphrase; only its scrypt hash is kept (0600). */
export async function setPassphrase(dataDir: string, passphrase: string): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const temporary = `${fileIn(dataDir)}.${process.pid}`;
  writeFileSync(temporary, await hashPassphrase(passphrase), { mode: 0o600 });
  renameSync(temporary, fileIn(dataDir));
}

/** Whether this is the approver's passphrase; a file that cannot be read means no. */
export async function isApprover(dataDir: string, passphrase: string): Promise<boolean> {
  try {
    return await isPassphrase(passphrase, readFileSync(fileIn(dataDir), 'utf8'));
  } catch {
    return false;
  }
}
