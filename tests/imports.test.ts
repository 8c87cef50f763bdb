import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const rooms = ['cli', 'config', 'console', 'engine', 'mcp', 'operations', 'proxmox', 'simulator', 'store', 'core'];
/** Who may import whom; docs/architecture.md says why. */
const allowed: Record<string, string[]> = {
  core: [],
  proxmox: ['core'],
  store: ['core'],
  operations: ['proxmox', 'core'],
  engine: ['operations', 'proxmox', 'store', 'core'],
  mcp: ['engine', 'operations', 'core'],
  console: ['engine', 'operations', 'core'],
  config: ['core'],
  simulator: [],
  cli: ['config', 'console', 'engine', 'mcp', 'operations', 'proxmox', 'store', 'core'],
};

let folder: string;
/** Files that the linter objected to, by room and imported room. */
const refused = new Set<string>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imports-'));
  const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
  delete config.$schema;
  writeFileSync(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }));
  for (const room of rooms) {
    for (const other of rooms) {
      put(`src/${room}/${other}-static.ts`, `export { x } from '../${other}/x.ts';\n`);
      put(`src/${room}/deep/${other}-deep.ts`, `export { x } from '../../${other}/deep/x.ts';\n`);
      put(`src/${room}/${other}-type.ts`, `export type { X } from '../${other}/x.ts';\n`);
      put(`src/${room}/${other}-dynamic.ts`, `export const x = () => import('../${other}/x.ts');\n`);
    }
  }
  put('src/cli/simulator.ts', "export const start = () => import('../simulator/index.ts');\n");
  const { stdout } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/@biomejs/biome/bin/biome'),
      'lint',
      '--reporter=json',
      '--max-diagnostics=none',
      '--only=noRestrictedImports',
      '.',
    ],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  );
  for (const [, file] of stdout.matchAll(/"path":\s*"(src\/[^"]+)"/g)) if (file) refused.add(file);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

test.each(rooms)('%s imports what it may and nothing else', (room) => {
  for (const other of rooms) {
    if (other === room) continue;
    for (const file of [`${other}-static.ts`, `deep/${other}-deep.ts`, `${other}-type.ts`, `${other}-dynamic.ts`]) {
      expect(refused.has(`src/${room}/${file}`), `src/${room}/${file}`).toBe(!allowed[room]?.includes(other));
    }
  }
});

test('the simulator is loaded in one place, dynamically', () => {
  expect(refused.has('src/cli/simulator.ts')).toBe(false);
  const text = readFileSync(join(root, 'src/cli/simulator.ts'), 'utf8');
  const loads = text.split('\n').filter((line) => line.includes('../simulator/'));
  for (const line of loads) expect(line).toMatch(/^import type |await import\(/);
});
