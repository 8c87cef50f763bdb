import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
// @ts-expect-error a script without types
import { checkImports, LAYERS } from '../../../scripts/check/imports.mjs';

const check = checkImports as (root: string) => string[];
const layers = LAYERS as Record<string, string[]>;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imports-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

test('the product keeps to its layers and has no cycle', () => {
  expect(check(join(import.meta.dirname, '../../..'))).toEqual([]);
});

describe.each(Object.keys(layers))('a file of %s', (layer) => {
  test.each(Object.keys(layers).filter((other) => other !== layer))(
    'may import %s only where the table says so, however it is written',
    (other) => {
      put(`src/${other}/x.ts`, 'export const x = 1;\n');
      const ways = {
        'static.ts': `import { x } from '../${other}/x.ts';\n`,
        'lines.ts': `import {\n  x,\n} from '../${other}/x.ts';\n`,
        'again.ts': `export { x } from '../${other}/x.ts';\n`,
        'type.ts': `import type { X } from '../${other}/x.ts';\n`,
        'dynamic.ts': `export const x = () => import('../${other}/x.ts');\n`,
        'deep/static.ts': `import { x } from '../../${other}/x.ts';\n`,
      };
      for (const [name, text] of Object.entries(ways)) put(`src/${layer}/${name}`, text);
      const refused = Object.keys(ways).map((name) => `src/${layer}/${name} must not import src/${other}/x.ts`);
      expect(check(folder).sort()).toEqual(layers[layer]?.includes(other) ? [] : refused.sort());
    },
  );
});

test('a cycle is found, also one by types alone, and a comment is not an import', () => {
  put('src/core/a.ts', "import type { B } from './b.ts';\n");
  put('src/core/b.ts', "import { c } from './c.ts';\n");
  put('src/core/c.ts', "export const c = () => import('./a.ts');\n");
  put('src/core/d.ts', "// import { a } from './e.ts';\n");
  put('src/core/e.ts', "import { d } from './d.ts';\n");
  expect(check(folder)).toEqual([expect.stringMatching(/^import cycle: .*a\.ts.*/)]);
  expect(check(folder)[0]?.split(',')).toHaveLength(3);
});

test('the command line loads the simulator in one file alone', () => {
  put('src/simulator/index.ts', 'export const x = 1;\n');
  put('src/cli/lib/simulator.ts', "export const start = () => import('../../simulator/index.ts');\n");
  put('src/cli/lib/other.ts', "export const start = () => import('../../simulator/index.ts');\n");
  expect(check(folder)).toEqual(['src/cli/lib/other.ts must not import src/simulator/index.ts']);
});
