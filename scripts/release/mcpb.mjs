import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { SETTINGS } from './settings.mjs';

/** Of SQLite's library the bundle has no sources: prebuilt binaries for eight platforms are loaded as they are. */
const NATIVE = /^(package\.json|LICENSE|lib\/.*|prebuilds\/.*)$/;

/**
 * The manifest of the bundle.
 * @param pkg package.json
 * @param tools `{name, description}` of each tool that is offered without further settings
 */
export function manifest(pkg, tools) {
  const repository = pkg.repository.url.replace(/^git\+/, '');
  const key = (variable) => variable.replace('PROXMOX_', '').toLowerCase();
  return {
    manifest_version: '0.3',
    name: pkg.name,
    display_name: 'Proxmox VE',
    version: pkg.version,
    description: pkg.description,
    author: { name: 'proxmox-mcp contributors', url: pkg.homepage },
    repository: { type: 'git', url: repository },
    homepage: pkg.homepage,
    support: pkg.bugs,
    license: pkg.license,
    icon: 'icon.png',
    keywords: pkg.keywords,
    server: {
      type: 'node',
      entry_point: 'dist/cli.js',
      mcp_config: {
        command: 'node',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the client fills it in
        args: ['${__dirname}/dist/cli.js', 'stdio'],
        env: Object.fromEntries(SETTINGS.map(({ variable }) => [variable, `\${user_config.${key(variable)}}`])),
      },
    },
    tools,
    tools_generated: true,
    user_config: Object.fromEntries(
      SETTINGS.map(({ variable, title, description, required = false, secret = false, boolean }) => [
        key(variable),
        boolean
          ? { type: 'boolean', title, description, required, default: false }
          : { type: 'string', title, description, required, sensitive: secret, ...(required ? {} : { default: '' }) },
      ]),
    ),
    // Prebuilt SQLite is for Node 22 and newer; Node 20 compiles it, which a bundle cannot.
    compatibility: { platforms: ['darwin', 'linux', 'win32'], runtimes: { node: '>=22' } },
  };
}

/**
 * One bundle for all platforms. The same input gives the same bytes.
 * @param folders `root` of the repository with dist/ built, and `sqlite`: better-sqlite3 13, unpacked
 */
export async function bundle({ root, sqlite }, pkg, tools) {
  const { name, version, type } = pkg;
  const files = {
    'manifest.json': json(manifest(pkg, tools)),
    'package.json': json({ name, version, type, private: true }),
    ...(await filesIn(root, 'dist', (path) => path !== 'docs.js' && !path.startsWith('.cache/'))),
    ...(await filesIn(sqlite, '', (path) => NATIVE.test(path), 'node_modules/better-sqlite3/')),
  };
  for (const file of ['README.md', 'LICENSE']) files[file] = await readFile(join(root, file));
  files['icon.png'] = await readFile(join(root, 'docs/images/icon.png'));
  // The earliest time that the format knows.
  const mtime = new Date(1980, 0, 1);
  return zipSync(
    Object.fromEntries(
      Object.keys(files)
        .sort()
        .map((path) => [path, [files[path], { mtime, level: 9 }]]),
    ),
  );
}

async function filesIn(base, folder, wanted, prefix = `${folder}/`) {
  const entries = await readdir(join(base, folder), { recursive: true, withFileTypes: true });
  const found = {};
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    const path = full.slice(join(base, folder).length).replaceAll('\\', '/').replace(/^\//, '');
    if (wanted(path)) found[`${prefix}${path}`] = await readFile(full);
  }
  return found;
}

function json(value) {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
