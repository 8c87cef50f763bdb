import { afterAll, expect, test } from 'vitest';
import { home } from '../run.ts';

const place = home({ PROXMOX_HOST: 'evil.example.org', PROXMOX_MAX_VMS: '0' });
afterAll(place.remove);

test('the story is told to its end, whatever the settings of the user are', { timeout: 120_000 }, async () => {
  const { code, stdout, stderr } = await place.run(['demo']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  for (const told of [
    'dry_run: true',
    'created: true',
    'existing: true',
    'quota_exceeded',
    'approval_required: true',
    'approval_denied',
    'deleted: true',
    'none changed',
  ]) {
    expect(stdout).toContain(told);
  }
});

test('an invalid port is a usage error', async () => {
  expect((await place.run(['demo', '--serve', 'x'])).code).toBe(2);
});
