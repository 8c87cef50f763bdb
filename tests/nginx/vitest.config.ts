import { defineConfig } from 'vitest/config';

/** The whole load, by `npm run test:load`; LOAD_AGENTS and LOAD_CALLS of the environment count first. */
export default defineConfig({
  test: {
    include: ['tests/nginx/load.test.ts'],
    globalSetup: ['tests/helpers/global-setup.ts'],
    pool: 'forks',
    hookTimeout: 120_000,
    env: { LOAD_AGENTS: process.env.LOAD_AGENTS ?? '200', LOAD_CALLS: process.env.LOAD_CALLS ?? '5000' },
  },
});
