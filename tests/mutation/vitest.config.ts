import { defineConfig } from 'vitest/config';
import { scratchFolder } from '../helpers/scratch.ts';

// MUTATION_TESTS='tests/engine/approvals/method.test.ts tests/engine/limits/policy.test.ts': only these, for a run over a file or two.
const only = process.env.MUTATION_TESTS?.split(' ');

/** The tests that run in this process: the shipped binary is not instrumented, so tests of it would kill no mutant. */
export default defineConfig({
  test: {
    include: only ?? [
      'tests/engine/**/*.test.ts',
      'tests/store/**/*.test.ts',
      'tests/mcp/**/*.test.ts',
      'tests/http/**/*.test.ts',
      'tests/proxmox/gate.test.ts',
    ],
    pool: 'forks',
    env: { TMPDIR: scratchFolder() },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
