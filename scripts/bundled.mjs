// TypeScript of this repository on every Node that the product supports: bundled, then imported.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, parse } from 'node:path';
import { pathToFileURL } from 'node:url';
import esbuild from 'esbuild';

export const root = join(import.meta.dirname, '..');
const banner = { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" };
const format = { bundle: true, format: 'esm', platform: 'node', target: 'node20.19', minifyWhitespace: true, logLevel: 'error' };

/** A folder for this process. It is inside the repository, because what is bundled needs its node_modules, and holds the simulator's data. */
export function workFolder() {
  const base = join(root, 'node_modules/.cache');
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, 'bundled-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(root, 'src/simulator/data'), join(folder, 'data'), { recursive: true });
  return folder;
}

/** Bundles a file below the root as the product is bundled. @param more settings of esbuild @returns the path of the result */
export async function bundle(entry, folder, more = {}) {
  const outfile = join(folder, `${parse(entry).name}.mjs`);
  await esbuild.build({ absWorkingDir: root, entryPoints: [entry], outfile, banner, ...format, ...more });
  return outfile;
}

/** Bundles a file below the root, and imports it. */
export async function load(entry, folder) {
  return import(pathToFileURL(await bundle(entry, folder)).href);
}

/** Runs a program to its exit code. @param entry file below the root that exports `main(root, args)`, which resolves to the exit code */
export async function runBundled(entry) {
  const { main } = await load(entry, workFolder());
  try {
    process.exitCode = await main(root, process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
