import { createRequire } from 'node:module';
import type SqliteDatabase from 'better-sqlite3';

/**
 * SQLite, for every room that keeps a file of it. Two releases of one library with one interface: 12 is the last one that works on Node 20,
 * and from Node 24.19 on its objects end the process when they are collected (`RemoveEnvironmentCleanupHook`); 13 speaks Node-API instead
 * and needs Node 22. docs/decisions/0003.
 */
const library = Number.parseInt(process.versions.node, 10) >= 22 ? 'better-sqlite3-napi' : 'better-sqlite3';

export default createRequire(import.meta.url)(library) as typeof SqliteDatabase;
