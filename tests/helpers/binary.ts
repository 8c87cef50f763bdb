import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';

/** Path of the shipped binary, built from the present source. Throws when the build failed, so that no test runs an old one. */
export function binary(): string {
  const error = inject('buildError');
  if (error !== undefined) throw new Error(`dist/ could not be built: ${error}`);
  return fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
}
