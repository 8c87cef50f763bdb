#!/usr/bin/env node
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { Script } from 'node:vm';

// The entry file of the shipped product: loads the bundle's files with V8's code cache, which halves the time to the first answer
// (docs/decisions/0016). The cache is beside the bundle: a user who can write the one can write the other. Without a cache everything works.

/** A digest of all files of the bundle: another build never reads this cache. Set by scripts/build.mjs. */
declare const BUILD: string;
/** Bytes before the code in a file of the cache: its checksum. */
const HEADER = 4;
/** Words of 4 bytes from one that the checksum reads to the next, at most; of a small file it reads about eight. */
const STRIDE = 128;

const building = process.execArgv.includes('--build-snapshot');
const folder = __dirname;
let requireNode: (id: string) => unknown = require;
const cache = join(folder, '.cache', `${BUILD}-${process.version}-${process.arch}`);
const loaded = new Map<string, { exports: unknown }>();
const uncached = new Map<string, Script>();

function load(id: string): unknown {
  if (!id.startsWith('./')) return requireNode(id);
  const name = id.slice(2);
  const known = loaded.get(name);
  if (known) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  const filename = `${folder}${sep}${name}`;
  // The bundle is ASCII: read as such, its text takes one byte a character.
  const source = `(function(exports,require,module,__filename,__dirname){${readFileSync(filename, 'latin1')}\n})`;
  const cachedData = readCache(name);
  const script = new Script(source, { filename, ...(cachedData ? { cachedData } : {}) });
  // A snapshot cannot hold scripts.
  if (!building && (!cachedData || script.cachedDataRejected)) uncached.set(name, script);
  try {
    script.runInThisContext()(module.exports, load, module, filename, folder);
  } catch (error) {
    // A second import fails likewise, as with Node's own loader; half a module would answer otherwise.
    loaded.delete(name);
    throw error;
  }
  return module.exports;
}

/** V8 executes a damaged cache, so its checksum is before it. */
function readCache(name: string): Buffer | undefined {
  try {
    const file = readFileSync(`${cache}${sep}${name}`);
    return checksum(file) === file.readInt32LE(0) ? file.subarray(HEADER) : undefined;
  } catch {
    return undefined;
  }
}

/** At the end of the process, when the functions that were called are compiled. A folder that cannot be written stays without a cache. */
function writeCache(): void {
  // V8 rejects a cache of other flags, and two kinds of starts would replace each other's files.
  if (uncached.size === 0 || process.execArgv.length > 0 || process.env.NODE_OPTIONS) return;
  try {
    mkdirSync(cache, { recursive: true });
    for (const [name, script] of uncached) {
      const file = Buffer.concat([Buffer.alloc(HEADER), script.createCachedData()]);
      file.writeInt32LE(checksum(file));
      const temporary = join(cache, `${name}.${process.pid}.tmp`);
      writeFileSync(temporary, file);
      renameSync(temporary, join(cache, name));
    }
  } catch {
    // The next start compiles again.
  }
}

/**
 * FNV-1a over the length and four bytes of every 512 after the header. It finds what an interrupted write leaves, such as zeros. A
 * digest of node:crypto would take longer to load than the whole cache to read. V8 would optimise a longer loop, which takes longer, too.
 */
function checksum(file: Buffer): number {
  const words = new Int32Array(file.buffer, file.byteOffset, file.length >> 2);
  const stride = Math.min(STRIDE, words.length >> 3 || 1);
  let sum = file.length;
  for (let at = HEADER / 4; at < words.length; at += stride) sum = Math.imul(sum ^ (words[at] ?? 0), 0x01000193);
  return sum;
}

function main(): void {
  process.once('exit', writeCache);
  const [command = 'stdio', ...options] = process.argv.slice(2);
  // As clients start it. The parser of command lines takes a quarter of the start.
  load(command === 'stdio' && options.length === 0 ? './stdio.js' : './main.js');
}

// A snapshot fits the very Node that made it. scripts/launcher.sh makes one and starts from it.
if (building) {
  const { startupSnapshot } = require('node:v8') as typeof import('node:v8');
  const { prepare } = load('./snapshot.js') as typeof import('./cli/snapshot.ts');
  void prepare();
  startupSnapshot.setDeserializeMainFunction(() => {
    // The `require` of a snapshot knows Node's own modules only.
    const { createRequire } = require('node:module') as typeof import('node:module');
    requireNode = createRequire(join(folder, 'cli.js'));
    main();
  });
} else main();
