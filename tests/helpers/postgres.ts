import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresFolder } from './suites.ts';

export interface Postgres {
  url: string;
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
}

/** A PostgreSQL of this test's own in a temporary folder, on loopback. It refuses to run as root, so then it runs as its own user. */
export async function startPostgres(): Promise<Postgres> {
  const bin = postgresFolder();
  if (!bin) throw new Error('PostgreSQL is not installed (apt-get install postgresql)');
  const folder = mkdtempSync(join(tmpdir(), 'pg-'));
  const as = process.getuid?.() === 0 ? userOf('postgres') : undefined;
  if (as) chownSync(folder, as.uid, as.gid);
  const data = join(folder, 'data');
  const run = (program: string, args: string[]) => execFileSync(join(bin, program), args, { ...as, cwd: folder, stdio: 'pipe' });
  run('initdb', ['-D', data, '-U', 'tester', '-A', 'trust', '-E', 'UTF8', '--no-sync']);
  const port = await freePort();
  const up = async () => {
    spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-k', folder, '-c', 'fsync=off'], {
      ...as,
      cwd: folder,
      stdio: 'ignore',
    }).unref();
    for (let tries = 0; ; tries++) {
      try {
        run('pg_isready', ['-h', '127.0.0.1', '-p', String(port)]);
        return;
      } catch (error) {
        if (tries > 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  const down = async () => void run('pg_ctl', ['-D', data, '-m', 'immediate', '-w', 'stop']);
  await up();
  return {
    url: `postgres://tester@127.0.0.1:${port}/postgres`,
    up,
    down,
    async stop() {
      await down();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function userOf(name: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
