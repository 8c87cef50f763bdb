// Builds everything that a release publishes into release/, and validates it; publishes nothing.   node scripts/release/dry.mjs
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundle } from './mcpb.mjs';
import { serverJson } from './server-json.mjs';
import { filesOf } from './tarball.mjs';
import { validateRelease } from './validate.mjs';

const root = join(import.meta.dirname, '../..');
const out = join(root, 'release');
const read = async (name) => JSON.parse(await readFile(join(root, name), 'utf8'));
const sha = (algorithm, bytes, encoding) => createHash(algorithm).update(bytes).digest(encoding);
const npm = (...args) =>
  execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], shell: process.platform === 'win32' });

const pkg = await read('package.json');
await rm(out, { recursive: true, force: true });
await mkdir(out);
await import('../build.mjs');
// dist/ is built; a second build by `prepack` would say the same.
npm('pack', '--silent', '--ignore-scripts', '--pack-destination', out, '.', './packages/sqlite-node20');

const sqlite = await sqliteFolder();
const bundled = await bundle({ root, sqlite }, pkg, offeredTools());
await rm(sqlite, { recursive: true });
await writeFile(join(out, `${pkg.name}-${pkg.version}.mcpb`), bundled);
await writeFile(join(out, 'server.json'), `${JSON.stringify(serverJson(pkg, sha('sha256', bundled, 'hex')), null, 2)}\n`);
for (const name of ['sbom.cdx.json', 'THIRD_PARTY_LICENSES.txt']) await cp(join(root, 'dist', name), join(out, name));

const files = await Promise.all((await readdir(out)).sort().map(async (name) => ({ name, bytes: await readFile(join(out, name)) })));
await writeFile(join(out, 'SHA256SUMS'), files.map(({ name, bytes }) => `${sha('sha256', bytes, 'hex')}  ${name}\n`).join(''));

const wrong = validateRelease(out);
for (const { name, bytes } of files) console.log(`${String(Math.ceil(bytes.length / 1024)).padStart(7)} KiB  release/${name}`);
for (const line of wrong) console.error(line);
console.log(wrong.length === 0 ? 'Every file is valid.' : `${wrong.length} problems.`);
process.exitCode = wrong.length === 0 ? 0 : 1;

/** better-sqlite3 13, unpacked and checked against the lock file. On Node 20 it is not in node_modules. */
async function sqliteFolder() {
  const { version, integrity } = (await read('package-lock.json')).packages['node_modules/better-sqlite3'];
  const folder = await mkdtemp(join(tmpdir(), 'release-'));
  const [{ filename }] = JSON.parse(npm('pack', '--json', '--pack-destination', folder, `better-sqlite3@${version}`));
  const bytes = await readFile(join(folder, filename));
  if (`sha512-${sha('sha512', bytes, 'base64')}` !== integrity)
    throw new Error(`better-sqlite3 ${version} is not the one of package-lock.json.`);
  await rm(join(folder, filename));
  for (const [path, content] of filesOf(bytes)) {
    const file = join(folder, path.replace(/^package\//, ''));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  return folder;
}

function offeredTools() {
  const tools = JSON.parse(execFileSync(process.execPath, [join(root, 'dist/cli.js'), 'tools'], { env: { PATH: process.env.PATH } }));
  return tools.filter(({ toolset }) => toolset === 'everyday').map(({ name, description }) => ({ name, description }));
}
