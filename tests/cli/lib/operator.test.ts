import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { command } from '../../helpers/command.ts';

it('a new passphrase from a pipe is one line: a person could not type several where it is asked for', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'operator-'));
  const env = { PATH: process.env.PATH ?? '', HOME: folder, PROXMOX_DATA_DIR: folder };
  const set = (input: string) => command(['tokens', 'passphrase', 'erin', '--demo'], { env, input });
  const refused = await set('correct horse battery\ncorrect horse battery\n');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('must be one line')]);
  expect(await set('correct horse battery\n')).toMatchObject({ code: 0 });
  rmSync(folder, { recursive: true });
});
