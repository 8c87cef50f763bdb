import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const CORE = /@modelcontextprotocol[\\/]core[\\/]dist[\\/].+\.mjs$/;
const CLIENT = /@modelcontextprotocol[\\/]client[\\/]dist[\\/]/;
const SERVER = /@modelcontextprotocol[\\/]server[\\/]dist[\\/]src-[\w-]+\.mjs$/;
// A statement ends before a line that begins at the margin.
const SCHEMA = /^const (\w+Schema) = (.+?);$(?=\n[\w/\n])/gms;
const LOOPS =
  /^for \(const key of SPEC_SCHEMA_KEYS\) [^\n]+\nfor \(const \[key, schema\] of [^\n]+\n(.+?)^const specTypeSchemas = ([^\n]+);$(.+?)^const isSpecType = ([^\n]+);$/ms;

/**
 * The SDK makes a schema of every type of the protocol when it is loaded: a thousand objects, an eighth of a start, of which a server uses a tenth.
 * This plugin of esbuild marks them as free of effects, so that those to which no code refers are left out.
 */
export const sdkSchemas = {
  name: 'sdk-schemas',
  setup(build) {
    build.onLoad({ filter: CORE }, async ({ path, suffix }) => {
      const text = await readFile(path, 'utf8');
      return { contents: text.replace(SCHEMA, 'const $1 = /* @__PURE__ */ (() => $2)();'), pluginData: suffix };
    });
    // Two lists of all schemas are filled by loops, which would keep every one. Here whatever reads a list fills it.
    build.onLoad({ filter: SERVER }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!LOOPS.test(text)) throw new Error(`The SDK writes ${path} in another way now. Adapt scripts/sdk-schemas.mjs to it.`);
      return { contents: text.replace(LOOPS, withoutLoops) };
    });
    // The SDK's client uses all of them. It has its own, so that the server's are the server's alone.
    build.onResolve({ filter: /^@modelcontextprotocol\/core/ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (pluginData === 'found' || !CLIENT.test(importer)) return undefined;
      const found = await build.resolve(path, { importer, resolveDir, kind, pluginData: 'found' });
      return { ...found, suffix: '?client' };
    });
    build.onResolve({ filter: /^\.\// }, ({ path, importer, pluginData }) =>
      pluginData === '?client' ? { path: join(dirname(importer), path), suffix: pluginData } : undefined,
    );
  },
};

function withoutLoops(all, between, schemas, after, tests) {
  const loops = all.split('\n').slice(0, 2).join('\n');
  const made = (name, value) => `const ${name} = /* @__PURE__ */ (() => { ${loops}\nreturn ${value}; })();`;
  return `${between}${made('specTypeSchemas', schemas)}${after}${made('isSpecType', tests)}`;
}
