import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyAudit } from '../../src/audit/verify.ts';

const root = join(import.meta.dirname, '../..');
// Inside node_modules, so that the bundle finds better-sqlite3.
const folder = mkdtempSync(join(root, 'node_modules/.audit-test-'));
const writer = join(folder, 'writer.mjs');

beforeAll(() =>
  build({
    entryPoints: [join(import.meta.dirname, 'writer-process.ts')],
    outfile: writer,
    bundle: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'error',
    banner: { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" },
  }),
);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('four processes write a thousand records each into one chain', { timeout: 120_000 }, async () => {
  const file = join(folder, 'shared.jsonl');
  const writers = ['a', 'b', 'c', 'd'].map((name) => spawn(process.execPath, [writer, file, name, '1000'], { stdio: 'inherit' }));
  const exits = await Promise.all(writers.map(async (child) => (await once(child, 'exit'))[0]));
  expect(exits).toEqual([0, 0, 0, 0]);

  const verified = await verifyAudit(file);
  expect(verified).toMatchObject({ count: 4000, problems: [], recovered: [] });
  const lines = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const name of ['a', 'b', 'c', 'd']) {
    const own = lines.filter((line) => line.principal === name).map((line) => line.args.index);
    expect(own, `records of ${name}, in their order`).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  }
});

test('a process killed while writing leaves a chain that the next one continues', { timeout: 60_000 }, async () => {
  const file = join(folder, 'killed.jsonl');
  const victim = spawn(process.execPath, [writer, file, 'victim', '1000000'], { stdio: 'inherit' });
  await expect
    .poll(
      () =>
        verifyAudit(file)
          .then((v) => v.count)
          .catch(() => 0),
      { timeout: 20_000 },
    )
    .toBeGreaterThan(20);
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  const next = spawn(process.execPath, [writer, file, 'next', '5'], { stdio: 'inherit' });
  expect((await once(next, 'exit'))[0]).toBe(0);
  const verified = await verifyAudit(file);
  expect(verified.problems).toEqual([]);
  expect(verified.count).toBeGreaterThan(25);
});
