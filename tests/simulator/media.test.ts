import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openWorld } from '../../src/simulator/world.ts';
import { openSimulator } from './client.ts';

const URL = 'https://images.example.org/debian-13.qcow2';
let folder: string;
let opened: Awaited<ReturnType<typeof openSimulator>>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'media-'));
  const file = join(folder, 'state.db');
  opened = await openSimulator({ file });
  const world = openWorld({ file, now: Date.now, timeScale: 1 });
  world.put('site', URL, { url: URL, size: 4_096, mimetype: 'application/octet-stream', sums: { sha512: 'ab'.repeat(64) } });
  world.close();
});
afterEach(async () => {
  await opened.close();
  rmSync(folder, { recursive: true });
});

const DOWNLOAD = '/nodes/pve/storage/local/download-url';
const download = { url: URL, content: 'import', filename: 'debian-13.qcow2' };

it('a file is fetched once, and its checksum is checked where one was given', async () => {
  const { api } = opened;
  const sum = { 'checksum-algorithm': 'sha512', checksum: 'cd'.repeat(64) };
  expect(await api.task('POST', DOWNLOAD, { ...download, ...sum })).toBe(
    `checksum mismatch: got '${'ab'.repeat(64)}' != expect '${'cd'.repeat(64)}'`,
  );
  expect(await api.task('POST', DOWNLOAD, { ...download, ...sum, checksum: 'ab'.repeat(64) })).toBe('OK');
  expect(await api.task('POST', DOWNLOAD, download)).toBe("refusing to override existing file '/var/lib/vz/import/debian-13.qcow2'");
  const { data } = await api.get('/nodes/pve/storage/local/content?content=import');
  expect(data.map(({ volid }: { volid: string }) => volid)).toContain('local:import/debian-13.qcow2');
});

it('a host that does not exist, and a file that its host does not have, fail in the words of wget', async () => {
  const { api } = opened;
  const other = (url: string) => api.task('POST', DOWNLOAD, { ...download, url });
  expect(await other('https://nowhere.example.com/a.qcow2')).toBe('download failed: exit code 4');
  expect(await other('https://images.example.org/nope.qcow2')).toBe('download failed: exit code 8');
  expect((await api.get(`/nodes/pve/query-url-metadata?url=${encodeURIComponent('https://nowhere.example.com/a')}`)).reason).toBe(
    "invalid server response: '500 Can't connect to nowhere.example.com:443 (Name or service not known)'",
  );
});
