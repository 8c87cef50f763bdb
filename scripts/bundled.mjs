// Runs a TypeScript program of this repository on every Node that the product supports: bundles it, imports it, and ends with its exit code.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import esbuild from 'esbuild';

/** @param entry file below the root that exports `main(root, args)`, which resolves to the exit code */
export async function runBundled(entry) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  // Inside the repository, because what is bundled needs its node_modules.
  mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
  const folder = mkdtempSync(join(root, 'node_modules/.cache/bundled-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(root, 'src/simulator/data'), join(folder, 'data'), { recursive: true });
  const outfile = join(folder, 'main.mjs');
  const banner = { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" };
  const format = { bundle: true, format: 'esm', platform: 'node', target: 'node20.19', logLevel: 'error' };
  await esbuild.build({ absWorkingDir: root, entryPoints: [entry], outfile, banner, ...format });
  const { main } = await import(pathToFileURL(outfile).href);
  try {
    process.exitCode = await main(root, process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
