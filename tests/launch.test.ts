import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { binary } from './helpers/binary.ts';

let folder: string;
let cli: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'launch-'));
  cpSync(dirname(binary()), folder, { recursive: true, filter: (source) => !source.endsWith('.cache') });
  cli = join(folder, 'cli.js');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tools = async () => (await promisify(execFile)(process.execPath, [cli, 'tools'], { env: { HOME: folder } })).stdout;
/** The files of the code cache, each with its content. */
function cached(): Map<string, Buffer> {
  const [build = ''] = readdirSync(join(folder, '.cache'));
  const place = join(folder, '.cache', build);
  return new Map(readdirSync(place).map((name) => [join(place, name), readFileSync(join(place, name))]));
}

it('keeps compiled code beside the bundle for the next start, which changes none of it', async () => {
  const told = await tools();
  const before = cached();
  expect([...before.keys()].map((path) => path.split('/').at(-1))).toContain('main.js');
  const times = [...before.keys()].map((path) => statSync(path).mtimeMs);
  expect(await tools()).toBe(told);
  expect([...cached().keys()].map((path) => statSync(path).mtimeMs)).toEqual(times);
});

it('compiles again what is damaged, cut off, or empty in the cache', async () => {
  const told = await tools();
  const good = cached();
  const damage = [
    (data: Buffer) => Buffer.from(data).fill(0, Math.floor(data.length / 2)),
    (data: Buffer) => data.subarray(0, 100),
    () => Buffer.alloc(0),
  ];
  [...good].forEach(([path, data], index) => {
    writeFileSync(path, damage[index % damage.length]?.(data) ?? '');
  });
  expect(await tools()).toBe(told);
  for (const [path, data] of cached()) expect(data.length, path).toBeGreaterThan((good.get(path)?.length ?? 0) / 2);
});

it('works where no cache can be written', async () => {
  const told = await tools();
  rmSync(join(folder, '.cache'), { recursive: true });
  writeFileSync(join(folder, '.cache'), 'not a folder');
  expect(await tools()).toBe(told);
  expect(readFileSync(join(folder, '.cache'), 'utf8')).toBe('not a folder');
});

it('leaves the cache alone in a start with options of Node, which V8 compiles differently', async () => {
  rmSync(join(folder, '.cache'), { recursive: true, force: true });
  await promisify(execFile)(process.execPath, ['--max-lazy', cli, 'tools'], { env: { HOME: folder } });
  expect(() => cached()).toThrow('ENOENT');
});
