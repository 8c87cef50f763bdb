// For work on the product: the server over HTTP on the embedded cluster, built again and restarted after each change of src/. State stays in
// node_modules/.cache/dev.   npm run dev [-- --port 8808]
import { spawn } from 'node:child_process';
import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dataDir = join(root, 'node_modules/.cache/dev');
/** Editors write a file in several steps, in milliseconds. */
const QUIET_MS = 200;
mkdirSync(dataDir, { recursive: true, mode: 0o700 });

let server;
let waiting;
let working = Promise.resolve();
const node = (...args) =>
  spawn(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, PROXMOX_DATA_DIR: dataDir } });
const ended = (child) => new Promise((resolve) => child.once('close', resolve));

async function restart() {
  // A build that fails says why, and the server of before goes on.
  if ((await ended(node('scripts/build.mjs', '--keep'))) !== 0) return;
  if (server?.exitCode === null) {
    const gone = ended(server);
    server.kill('SIGTERM');
    await gone;
  }
  server = node('dist/cli.js', 'http', '--demo', ...process.argv.slice(2));
}

const again = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    working = working.then(restart);
  }, QUIET_MS);
};
watch(join(root, 'src'), { recursive: true }, again);
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    server?.kill('SIGTERM');
    process.exit();
  });
working = working.then(restart);
