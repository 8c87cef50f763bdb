#!/usr/bin/env node
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

// The entry file of the shipped product: loads the bundle's files with V8's code cache, which halves the time to the first answer
// (docs/decisions/0016). The cache lies beside the bundle: a user who can write the one can write the other. Without a cache everything works.

/** A digest of all files of the bundle: another build never reads this cache. Set by scripts/build.mjs. */
declare const BUILD: string;
const DIGEST_BYTES = 32;

const folder = __dirname;
/** V8 itself rejects a cache of another version, other flags or another processor. */
const cache = join(folder, '.cache', `${BUILD}-${process.version}-${process.arch}`);
const loaded = new Map<string, { exports: unknown }>();
const uncached = new Map<string, Script>();

function load(id: string): unknown {
  if (!id.startsWith('./')) return require(id);
  const name = id.slice(2);
  const known = loaded.get(name);
  if (known) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  const filename = join(folder, name);
  // The bundle is ASCII: read as such, its text takes one byte a character.
  const source = `(function(exports,require,module,__filename,__dirname){${readFileSync(filename, 'latin1')}\n})`;
  const cachedData = readCache(name);
  const script = new Script(source, { filename, ...(cachedData ? { cachedData } : {}) });
  if (!cachedData || script.cachedDataRejected) uncached.set(name, script);
  script.runInThisContext()(module.exports, load, module, filename, folder);
  return module.exports;
}

/** V8 does not check the content of a cache, so a damaged one is recognised by its digest. */
function readCache(name: string): Buffer | undefined {
  try {
    const file = readFileSync(join(cache, name));
    const data = file.subarray(DIGEST_BYTES);
    return digest(data).equals(file.subarray(0, DIGEST_BYTES)) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** At the end of the process, when the functions that were called are compiled. A folder that cannot be written stays without a cache. */
function writeCache(): void {
  if (uncached.size === 0) return;
  try {
    mkdirSync(cache, { recursive: true });
    for (const [name, script] of uncached) {
      const data = script.createCachedData();
      const temporary = join(cache, `${name}.${process.pid}.tmp`);
      writeFileSync(temporary, Buffer.concat([digest(data), data]));
      renameSync(temporary, join(cache, name));
    }
  } catch {
    // The next start compiles again.
  }
}

function digest(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}

process.once('exit', writeCache);
load('./main.js');
