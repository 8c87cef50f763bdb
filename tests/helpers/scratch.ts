import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const RAM = '/dev/shm';
/** Room for the databases of all workers, PostgreSQL's included. */
const ENOUGH = 2 ** 30;

/** Where tests put their temporary files: in memory where the machine has room there. SQLite and the audit wait for the disk at every change. */
export function scratchFolder(): string {
  try {
    accessSync(RAM, constants.W_OK);
    const { bavail, bsize } = statfsSync(RAM);
    return bavail * bsize >= ENOUGH ? RAM : tmpdir();
  } catch {
    return tmpdir();
  }
}
