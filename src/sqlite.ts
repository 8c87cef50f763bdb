import { createRequire } from 'node:module';
import type SqliteDatabase from 'better-sqlite3';
import { fail } from './core/errors/errors.ts';

/**
 * SQLite, for every layer that keeps a file of it, from two releases of one library. better-sqlite3 13 has prebuilt binaries and needs
 * Node 22. It ends the process on Node 20, so it is never opened there. Release 12 is the last one for Node 20. It is in its own package,
 * which npm leaves out from Node 22 on. docs/decisions/0003.
 * @throws store_unavailable
 */
function load(): typeof SqliteDatabase {
  const modern = Number.parseInt(process.versions.node, 10) >= 22;
  try {
    const Database = createRequire(import.meta.url)(modern ? 'better-sqlite3' : 'proxmox-mcp-sqlite-node20') as typeof SqliteDatabase;
    // The library loads its binary with the first database. npm 12 installs without compiling, and copied folders have another platform's.
    new Database(':memory:').close();
    return Database;
  } catch (cause) {
    fail(
      'store_unavailable',
      `SQLite's library for Node ${process.versions.node} on ${process.platform}-${process.arch} is not installed.`,
      {
        hint: modern
          ? 'Install proxmox-mcp again with this Node, with optional dependencies.'
          : 'Use Node 22 or newer. To stay on Node 20, install Python 3 and a C++ toolchain, then install proxmox-mcp again.',
        cause,
      },
    );
  }
}

export default load();
