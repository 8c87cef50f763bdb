import { defineConfig } from 'vitest/config';

/** What a release publishes, installed and started with several releases of Node and npm: `npm run test:release`. Downloads them once. */
export default defineConfig({
  test: { include: ['tests/release/*.slow.ts'], pool: 'forks', maxWorkers: 1, isolate: false, testTimeout: 300_000, hookTimeout: 300_000 },
});
