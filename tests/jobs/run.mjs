// npm run jobs: the thirty jobs through a real client, on one cluster and on one of two. With --write the tables in docs/benchmarks.md are written anew.
import { spawnSync } from 'node:child_process';

const args = process.argv.slice(2);
const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--config', 'tests/jobs/vitest.config.ts', ...args.filter((arg) => arg !== '--write')],
  {
    stdio: 'inherit',
    env: { ...process.env, ...(args.includes('--write') ? { JOBS_WRITE: '1' } : {}) },
  },
);
process.exitCode = status ?? 1;
