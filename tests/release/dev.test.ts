import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const copy = mkdtempSync(join(tmpdir(), 'dev-'));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

test('npm run dev serves the embedded cluster, and again after a change of the source', async () => {
  for (const name of ['src', 'scripts', 'package.json', 'package-lock.json'])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const dev = spawn(process.execPath, ['scripts/dev.mjs', '--port', '0'], { cwd: copy, env: { PATH: process.env.PATH, HOME: copy } });
  let shown = '';
  for (const stream of [dev.stdout, dev.stderr]) stream.on('data', (chunk) => (shown += chunk));
  const served = () => [...shown.matchAll(/Serving MCP on (http:\S+)\/mcp/g)].map(([, url]) => `${url}/healthz`);
  const answers = (url: string | undefined) =>
    fetch(url ?? '').then(
      (answer) => answer.ok,
      () => false,
    );
  try {
    await expect.poll(() => served().length, { timeout: 60_000 }).toBe(1);
    const [first] = served();
    expect(await answers(first)).toBe(true);
    appendFileSync(join(copy, 'src/cli/index.ts'), '\n// changed\n');
    await expect.poll(() => served().length, { timeout: 60_000 }).toBe(2);
    expect(await answers(served()[1])).toBe(true);
  } finally {
    dev.kill('SIGTERM');
    await once(dev, 'close');
  }
  // The server ends with it.
  await expect.poll(() => answers(served()[1]), { timeout: 30_000 }).toBe(false);
});
