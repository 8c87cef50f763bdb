import { createRequire } from 'node:module';
import type SqliteDatabase from 'better-sqlite3';

/**
 * SQLite, for every layer that keeps a file of it. Two releases of one library with one interface: 12 is the last one that works on Node 20,
 * and from Node 24.19 on its objects end the process when they are collected (`RemoveEnvironmentCleanupHook`); 13 speaks Node-API instead
 * and needs Node 22. docs/decisions/0003.
 */
const library = Number.parseInt(process.versions.node, 10) >= 22 ? 'better-sqlite3-napi' : 'better-sqlite3';

function load(): typeof SqliteDatabase {
  try {
    return createRequire(import.meta.url)(library) as typeof SqliteDatabase;
  } catch (cause) {
    // An optional dependency that could not be installed is left out without a word, and so is the one for another Node.
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    const why = `SQLite's library for Node ${process.versions.node} (${library}) is not installed`;
    throw new Error(`${why}; run npm ci with this Node, with optional dependencies and a C++ toolchain`, { cause });
  }
}

export default load();
