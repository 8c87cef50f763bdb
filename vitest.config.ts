import { defineConfig } from 'vitest/config';
import { leftOutSuites } from './tests/helpers/suites.ts';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: leftOutSuites().map((suite) => `tests/${suite.folder}/**`),
    globalSetup: ['tests/helpers/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
