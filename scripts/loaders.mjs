import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const IMPORT = /^import \{ (\w+) \} from '(\.\/[^']+)';$/gm;

/**
 * Writes `src/operations/loaders.ts` for the bundle: each operation by an import of its own file, as `index.ts` lists it. Those that are made
 * in the list itself, out of all others, are loaded with it.
 * @param names of all operations, in their order
 */
export const loaders = (names) => ({
  name: 'loaders',
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/]operations[\\/]loaders\.ts$/ }, async ({ path }) => {
      const list = await readFile(join(dirname(path), 'index.ts'), 'utf8');
      const files = new Map([...list.matchAll(IMPORT)].map(([, constant, file]) => [constant, file]));
      const lines = names.map((name) => {
        const constant = name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
        const file = files.get(constant);
        const load = file
          ? `(await import('${file}')).${constant}`
          : `(await import('./index.ts')).operations.find(({ name }) => name === '${name}')`;
        return `${name}: async () => ${load},`;
      });
      return { contents: `export const LOADERS = {\n${lines.join('\n')}\n};`, resolveDir: dirname(path) };
    });
  },
});
