import { execFile } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { binary } from '../helpers/binary.ts';
import { openPlace, type Place, run } from './harness.ts';

// The commands of docs/how-to/back-up-state.md, run by a shell in the folders that the page names.

const page = readFileSync(join(import.meta.dirname, '../../docs/how-to/back-up-state.md'), 'utf8');
const [copy = '', verify = ''] = [...page.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block);

let place: Place;
let folder: string;
let dataDir: string;
beforeAll(async () => {
  place = await openPlace();
  folder = place.env.HOME ?? '';
  dataDir = join(folder, '.local/state/proxmox-mcp');
  place.env.PROXMOX_DATA_DIR = dataDir;
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  // `.backup` of SQLite's shell, by the library that the product uses: the package sqlite3 is not installed everywhere.
  const library = createRequire(import.meta.url).resolve(
    Number.parseInt(process.versions.node, 10) >= 22 ? 'better-sqlite3' : 'proxmox-mcp-sqlite-node20',
  );
  const programs = {
    'proxmox-mcp': `#!/bin/sh\nexec '${process.execPath}' '${binary()}' "$@"\n`,
    sqlite3: `#!${process.execPath}\nconst [, , file, command] = process.argv;\nnew (require('${library}'))(file).backup(command.replace('.backup ', ''));\n`,
  };
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), text);
    chmodSync(join(bin, name), 0o755);
  }
});
afterAll(() => place.close());

function shell(lines: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...place.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
  return new Promise((resolve) =>
    execFile('bash', ['-c', lines], { env, cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  );
}

test('the copy is made while the store is in use, verifies, and restores what was known', async () => {
  const asked = await run(place, ['call', 'stop_vm', '--args', '{"name":"web1"}']);
  expect(asked.code).toBe(3);
  expect((await run(place, ['tokens', 'add', '--name', 'claude', '--role', 'operator', '--owner', 'alice'])).code).toBe(0);

  expect(await shell(copy)).toMatchObject({ code: 0, stderr: '' });
  const verified = await shell(verify);
  expect(verified, verified.stderr).toMatchObject({ code: 0 });
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, file: join(folder, 'proxmox-mcp-backup/audit.jsonl') });

  // Restore: the data folder is lost.
  rmSync(dataDir, { recursive: true });
  cpSync(join(folder, 'proxmox-mcp-backup'), dataDir, { recursive: true });
  expect(existsSync(join(dataDir, 'store.sqlite-wal'))).toBe(false);
  expect((await run(place, ['tokens', 'list'])).stdout).toContain('claude');
  expect((await run(place, ['approvals', 'list', '--status', 'pending'])).stdout).toContain(String(asked.json.approval_id));
});
