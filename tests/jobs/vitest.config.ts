import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['tests/helpers/global-setup.ts'],
    include: ['tests/jobs/**/*.suite.ts'],
    pool: 'forks',
    // They wait more than they compute. Both write their table into one file.
    maxWorkers: process.env.JOBS_WRITE === '1' ? 1 : 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
