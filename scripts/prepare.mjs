// Completes `npm ci` in a clone: SQLite on Node 20, and dist/. npm runs it after every change of node_modules.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const require = createRequire(join(root, 'packages/sqlite-node20/index.cjs'));

if (Number.parseInt(process.versions.node, 10) < 22 && !sqliteOpens()) compileSqlite();
// Without development dependencies there is no bundler, and dist/ comes from elsewhere.
if (isInstalled('esbuild')) await import('./build.mjs');

function sqliteOpens() {
  try {
    const Database = require('better-sqlite3');
    new Database(':memory:').close();
    return true;
  } catch {
    return false;
  }
}

/**
 * npm must not run the install scripts of better-sqlite3: it would also compile release 13, which has prebuilt binaries, and would leave
 * that release out without a word where there is no compiler. A lock file without addresses lets `allowScripts` name no single version.
 */
function compileSqlite() {
  try {
    const cwd = dirname(require.resolve('better-sqlite3/package.json'));
    execFileSync('npm', ['run', 'install'], { cwd, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' });
  } catch (error) {
    const said = `${error.stdout ?? ''}${error.stderr ?? error.message}`.trimEnd().split('\n');
    console.error(`${said.slice(-20).join('\n')}\n`);
    console.error(
      'SQLite could not be compiled for Node 20. Install Python 3, make and a C++ compiler, or use Node 22 or newer, which needs none. Without a way to nodejs.org, name a folder with the headers of Node: npm_config_nodedir=/usr npm ci',
    );
    process.exit(1);
  }
}

function isInstalled(name) {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}
