import { defineConfig } from 'vitest/config';
import { scratchFolder } from '../helpers/scratch.ts';

/**
 * npm run test:clusters: the suites of approvals, quotas, races and faults once more, each beside a second cluster with the same VMIDs and names.
 * It is named in no call, and must see no change (tests/helpers/world.ts).
 */
export default defineConfig({
  test: {
    include: [
      'tests/engine/approvals/{asking,deciding,owners,redeeming,requester-scope,revoke-token,standing-approvals}.test.ts',
      'tests/engine/limits/{quotas,reservations,sources,totals}.test.ts',
      'tests/engine/runs/{fence,half-made,retention}.test.ts',
      'tests/engine/runs/outcome/*.test.ts',
      'tests/engine/runs/steps/side-by-side.test.ts',
      'tests/engine/store-faults.test.ts',
    ],
    env: { TWO_CLUSTERS: '1', TMPDIR: scratchFolder() },
    pool: 'forks',
    isolate: false,
    maxWorkers: 4,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
