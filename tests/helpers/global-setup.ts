import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { leftOutSuites } from './suites.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why dist/ could not be built; absent when it was. */
    buildError: string | undefined;
  }
}

/** Builds the binary that the end-to-end tests run, and says which suites this machine cannot run. */
export default async function setup(project: TestProject): Promise<void> {
  for (const suite of leftOutSuites()) process.stderr.write(`left out: tests/${suite.folder}, which needs ${suite.needs}\n`);
  const buildError = await promisify(execFile)(process.execPath, [join(project.config.root, 'scripts/build.mjs'), '--keep']).then(
    () => undefined,
    (error: unknown) => String(error),
  );
  project.provide('buildError', buildError);
}
