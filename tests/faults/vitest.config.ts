import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['tests/faults/**/*.campaign.ts'], pool: 'forks', maxWorkers: 1, testTimeout: 3_600_000, hookTimeout: 60_000 },
});
