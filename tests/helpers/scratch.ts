import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const RAM = '/dev/shm';
/** Room for the databases of all workers, PostgreSQL's included. */
const ENOUGH = 2 ** 30;

/** Where tests put their temporary files: in memory where the machine has room there. SQLite and the audit wait for the disk at every change. */
export function scratchFolder(): string {
  if (!existsSync(RAM)) return tmpdir();
  const { bavail, bsize } = statfsSync(RAM);
  try {
    accessSync(RAM, constants.W_OK);
  } catch {
    return tmpdir();
  }
  return bavail * bsize >= ENOUGH ? RAM : tmpdir();
}
