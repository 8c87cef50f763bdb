// Bundles the product into dist/. Development dependencies go into the bundle; only native modules stay outside.
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import esbuild from 'esbuild';
import { loaders } from './loaders.mjs';
import { sbom } from './release/sbom.mjs';
import { sdkSchemas } from './sdk-schemas.mjs';

const root = join(import.meta.dirname, '..');
const outdir = join(root, 'dist');

const target = 'node20.19';
const tools = await toolList();
// Split into chunks, which esbuild can do for ES modules only, then made CommonJS, which V8's code cache and a snapshot need.
const result = await esbuild.build({
  absWorkingDir: root,
  entryPoints: { main: 'src/cli/index.ts', stdio: 'src/cli/stdio.ts', snapshot: 'src/cli/snapshot.ts', docs: 'scripts/docs/index.ts' },
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target,
  chunkNames: 'chunk-[hash]',
  // Counting tokens needs a dictionary of some MiB, which only the documentation uses.
  external: ['pg-native', 'gpt-tokenizer'],
  plugins: [sdkSchemas, loaders(JSON.parse(tools).map(({ name }) => name))],
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'error',
});
await mkdir(outdir, { recursive: true });
const isChunk = (file) => file.path.includes('chunk-');
// A file appears whole or not at all, and a chunk under a name made from its content, so that a server which runs from dist/ meanwhile keeps
// working. Entries last: what they import is there when they appear. --keep leaves what an earlier build left.
const bundled = [...result.outputFiles.filter(isChunk), ...result.outputFiles.filter((file) => !isChunk(file))];
const files = await Promise.all(bundled.map(async ({ path, text }) => ({ path, contents: await commonJs(text) })));
files.push({ path: join(outdir, 'tools.json'), contents: tools });
files.push({ path: join(outdir, 'package.json'), contents: '{"type":"commonjs"}\n' });
const build = createHash('sha256');
for (const { path, contents } of files) build.update(relative(outdir, path)).update(contents);
const id = build.digest('hex').slice(0, 16);
files.push({ path: join(outdir, 'cli.js'), contents: await launcher(id) });
const script = await readFile(join(root, 'scripts/launcher.sh'), 'utf8');
files.push({ path: join(outdir, 'proxmox-mcp.sh'), contents: script.replace('@BUILD@', id) });
for (const file of files) await put(file.path, file.contents);
const packages = await bundledPackages(result.metafile);
await put(join(outdir, 'THIRD_PARTY_LICENSES.txt'), licences(packages));
const [manifest, lock] = await Promise.all(
  ['package.json', 'package-lock.json'].map(async (name) => JSON.parse(await readFile(join(root, name), 'utf8'))),
);
await put(join(outdir, 'sbom.cdx.json'), `${JSON.stringify(sbom(manifest, lock, packages), null, 2)}\n`);
await buildConsole();
await put(join(outdir, 'card.html'), Buffer.from(await card()));
await cp(join(root, 'src/simulator/data'), join(outdir, 'data'), { recursive: true }).catch(ignoreMissing);
for (const name of ['cli.js', 'proxmox-mcp.sh']) await chmod(join(outdir, name), 0o755);
// Code caches of other builds.
for (const name of await readdir(join(outdir, '.cache')).catch(() => []))
  if (!name.startsWith(id)) await rm(join(outdir, '.cache', name), { recursive: true, force: true });
if (!process.argv.includes('--keep')) {
  const current = new Set([
    ...files.map((file) => relative(outdir, file.path)),
    '.cache',
    'data',
    'console',
    'card.html',
    'THIRD_PARTY_LICENSES.txt',
    'sbom.cdx.json',
  ]);
  for (const name of await readdir(outdir)) if (!current.has(name)) await rm(join(outdir, name), { recursive: true, force: true });
}

/** The page of the console: one script, one style sheet, and two files as they are. */
async function buildConsole() {
  const page = join(root, 'src/console/page');
  const built = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['main.ts', 'app.css'].map((name) => ({ in: `src/console/page/${name}`, out: 'app' })),
    outdir: join(outdir, 'console'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    write: false,
    logLevel: 'error',
  });
  await mkdir(join(outdir, 'console'), { recursive: true });
  for (const file of built.outputFiles) await put(file.path, file.contents);
  for (const name of ['index.html', 'icon.svg']) await put(join(outdir, 'console', name), await readFile(join(page, name)));
}

/** The page of the cards in one file, which allows its own script and styles by their digests and nothing else. */
async function card() {
  const page = join(root, 'src/mcp/cards/page');
  const built = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['main.ts', 'card.css'].map((name) => ({ in: join(page, name), out: 'card' })),
    outdir: join(outdir, 'card'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    minify: true,
    legalComments: 'none',
    write: false,
    logLevel: 'error',
  });
  const text = (end) => built.outputFiles.find(({ path }) => path.endsWith(end)).text.trim();
  const [script, style] = [text('.js'), text('.css')];
  if (/<\/(script|style)|<!--/i.test(script + style)) throw new Error('the script or style of the card would end inside its element');
  const digest = (part) => `sha256-${createHash('sha256').update(part).digest('base64')}`;
  const parts = { SCRIPT: digest(script), STYLE: digest(style), CSS: style, JS: script };
  return (await readFile(join(page, 'card.html'), 'utf8')).replaceAll(
    /(?:\/\* )?@(SCRIPT|STYLE|CSS|JS)@(?: \*\/)?/g,
    (_, name) => parts[name],
  );
}

async function commonJs(text) {
  const here = text.includes('import.meta.url') ? 'const __url=require("node:url").pathToFileURL(__filename).href;' : '';
  const { code } = await esbuild.transform(text, {
    format: 'cjs',
    platform: 'node',
    target,
    minifyWhitespace: true,
    define: { 'import.meta.url': '__url' },
    // `import()` would need a loader of its own.
    supported: { 'dynamic-import': false },
  });
  return here + code;
}

/** The tools as JSON, so that a server which is only listed need not load the operations. */
async function toolList() {
  const list = "import { operations } from './src/operations/index.ts'; import { offeredTool } from './src/mcp/tools.ts';";
  const { outputFiles } = await esbuild.build({
    stdin: { contents: `${list} export default JSON.stringify(operations.map(offeredTool));`, resolveDir: root },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target,
    write: false,
    logLevel: 'error',
  });
  return (await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`)).default;
}

/** The entry file, which names the build that its code cache belongs to. */
async function launcher(id) {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['src/launch.ts'],
    format: 'cjs',
    platform: 'node',
    target,
    define: { BUILD: JSON.stringify(id) },
    minifyWhitespace: true,
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].text;
}

async function put(path, contents) {
  const current = await readFile(path).catch(() => undefined);
  if (current?.equals(Buffer.from(contents))) return;
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, contents);
  await rename(temporary, path);
}

/** Everything of others that went into the bundle. */
async function bundledPackages(metafile) {
  const folders = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) folders.add(match[1]);
  }
  const packages = [...folders].sort().map(async (path) => {
    const { name, version, license } = JSON.parse(await readFile(join(root, path, 'package.json'), 'utf8'));
    const file = (await readdir(join(root, path))).find((entry) => /^licen[cs]e/i.test(entry));
    return { path, name, version, license, text: file ? await readFile(join(root, path, file), 'utf8') : '' };
  });
  return Promise.all(packages);
}

/** Their licences, as those licences ask for. */
function licences(packages) {
  const texts = packages.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text.trim()}\n`);
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

function ignoreMissing(error) {
  if (error.code !== 'ENOENT') throw error;
}
