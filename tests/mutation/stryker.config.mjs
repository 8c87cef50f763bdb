// npm run test:mutation                            all files below, for a night
// npm run test:mutation -- --mutate src/engine/approvals/standing.ts   one of them
const engine = [
  ...['requests', 'decisions', 'redeem', 'authorise', 'plan-again', 'await-decision', 'standing', 'method'].map(
    (name) => `approvals/${name}`,
  ),
  ...['policy', 'quota', 'guards', 'scope'].map((name) => `limits/${name}`),
  ...['runner', 'finish', 'aftermath', 'half-made', 'worker', 'steps/apply', 'steps/steps', 'outcome/adopt', 'outcome/reconcile'].map(
    (name) => `runs/${name}`,
  ),
].map((name) => `src/engine/${name}.ts`);
const store = ['approvals', 'runs', 'guests', 'standing', 'reservations'].map((name) => `src/store/repositories/${name}.ts`);

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: [
    ...engine,
    ...store,
    'src/proxmox/gate.ts',
    'src/http/auth/*.ts',
    'src/mcp/identity.ts',
    'src/core/{network,token-bucket,text/duration,text/wildcard}.ts',
  ],
  // Texts and the shape of plain objects are checked by other tests and by people.
  mutator: { excludedMutations: ['StringLiteral', 'ObjectLiteral', 'ArrayDeclaration'] },
  plugins: ['@stryker-mutator/vitest-runner'],
  // Stryker rewrites paths in it with an API that TypeScript 7 no longer has; nothing here needs that.
  tsconfigFile: 'tests/mutation/no-tsconfig.json',
  testRunner: 'vitest',
  vitest: { configFile: 'tests/mutation/vitest.config.ts', related: true },
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  concurrency: 2,
  timeoutMS: 20_000,
  tempDirName: 'coverage/stryker',
  ignorePatterns: ['dist', 'docs', 'deploy', 'bench', 'coverage', 'tests/recordings', 'tests/nginx', 'tests/browser'],
  reporters: ['clear-text', 'json', 'progress-append-only'],
  clearTextReporter: { allowColor: false, logTests: false },
  jsonReporter: { fileName: 'coverage/mutation.json' },
  thresholds: { high: 90, low: 80, break: 80 },
  disableTypeChecks: true,
};
