import { defineConfig } from 'vitest/config';
import { scratchFolder } from './tests/helpers/scratch.ts';
import { ProgramsFirst } from './tests/helpers/sequence.ts';
import { leftOutSuites } from './tests/helpers/suites.ts';

/** Suites of programs: the shipped binary, databases, browsers, the compiler. */
const PROGRAMS = [
  ...['browser', 'cli', 'e2e', 'evals', 'nginx', 'postgres', 'release', 'scripts/docs'].map((folder) => `tests/${folder}/**/*.test.ts`),
  ...['audit/processes', 'launch', 'new-operation'].map((file) => `tests/${file}.test.ts`),
];
/** The file that replaces a module of Node's. */
const MOCKED = ['tests/audit/key-file.test.ts'];

// One process runs many files, so that it loads the source once. They leave no module, global or timer changed.
const common = { pool: 'forks', isolate: false, testTimeout: 30_000, hookTimeout: 30_000, env: { TMPDIR: scratchFolder() } } as const;

export default defineConfig({
  test: {
    globalSetup: ['tests/helpers/global-setup.ts'],
    // More than the two cores of a small machine: a test that waits for a task, a process or a timer leaves its core to another.
    maxWorkers: 6,
    sequence: { sequencer: ProgramsFirst },
    projects: [
      { test: { ...common, name: 'in process', include: ['tests/**/*.test.ts'], exclude: [...PROGRAMS, ...MOCKED] } },
      { test: { ...common, name: 'mocked', include: MOCKED, isolate: true } },
      {
        test: {
          ...common,
          // A test starts several processes, one after another, also on a machine that is busy.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          name: 'programs',
          include: PROGRAMS,
          exclude: leftOutSuites().map((suite) => `tests/${suite.folder}/**`),
        },
      },
    ],
  },
});
