import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** scrypt (RFC 7914) with 64 MiB of memory: a guess costs about a tenth of a second. */
const COST = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 2 ** 20 };

const fileIn = (dataDir: string) => join(dataDir, 'approver.json');

/** Whether decisions on this machine need the approver's passphrase. */
export function hasPassphrase(dataDir: string): boolean {
  return existsSync(fileIn(dataDir));
}

/** Sets the approver's passphrase; only its scrypt hash is kept (0600). */
export function setPassphrase(dataDir: string, passphrase: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const salt = randomBytes(16);
  const record = {
    kdf: 'scrypt',
    ...COST,
    salt: salt.toString('base64'),
    hash: scryptSync(passphrase.normalize(), salt, 32, COST).toString('base64'),
  };
  const temporary = `${fileIn(dataDir)}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
  renameSync(temporary, fileIn(dataDir));
}

/** Whether this is the approver's passphrase; an unreadable file means no. */
export function isPassphrase(dataDir: string, passphrase: string): boolean {
  try {
    const { N, r, p, salt, hash } = JSON.parse(readFileSync(fileIn(dataDir), 'utf8')) as {
      N: number;
      r: number;
      p: number;
      salt: string;
      hash: string;
    };
    const given = scryptSync(passphrase.normalize(), Buffer.from(salt, 'base64'), 32, { N, r, p, maxmem: COST.maxmem });
    return timingSafeEqual(given, Buffer.from(hash, 'base64'));
  } catch {
    return false;
  }
}
