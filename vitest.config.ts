import { configDefaults, defineConfig } from 'vitest/config';
import { scratchFolder } from './tests/helpers/scratch.ts';
import { ProgramsFirst } from './tests/helpers/sequence.ts';
import { leftOutSuites } from './tests/helpers/suites.ts';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...leftOutSuites().map((suite) => `tests/${suite.folder}/**`)],
    globalSetup: ['tests/helpers/global-setup.ts'],
    pool: 'forks',
    // One process runs many files, so that it loads the source once. They leave no module, global or timer changed.
    isolate: false,
    // More than the two cores of a small machine: a test that waits for a task, a process or a timer leaves its core to another.
    maxWorkers: 5,
    sequence: { sequencer: ProgramsFirst },
    env: { TMPDIR: scratchFolder() },
    // Some tests start several processes, one after another, also on a machine that is busy.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
