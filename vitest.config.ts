import { defineConfig } from 'vitest/config';
import { leftOutSuites } from './tests/helpers/suites.ts';

/** Suites of programs (the shipped binary, databases, browsers), and the file that replaces a module of Node's. */
const PROGRAMS = ['browser', 'cli', 'e2e', 'nginx', 'postgres'].map((folder) => `tests/${folder}/**/*.test.ts`);
const SEPARATE = [...PROGRAMS, 'tests/audit/key-file.test.ts'];

const common = { pool: 'forks', testTimeout: 30_000, hookTimeout: 30_000 } as const;

export default defineConfig({
  test: {
    globalSetup: ['tests/helpers/global-setup.ts'],
    maxWorkers: 2,
    projects: [
      // One process runs many of these files, so that it loads the source once. They leave no module, global or timer changed.
      { test: { ...common, name: 'in process', include: ['tests/**/*.test.ts'], exclude: SEPARATE, isolate: false } },
      {
        test: {
          ...common,
          name: 'programs',
          include: SEPARATE,
          exclude: leftOutSuites().map((suite) => `tests/${suite.folder}/**`),
        },
      },
    ],
  },
});
