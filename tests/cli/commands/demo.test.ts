import { afterAll, expect, test } from 'vitest';
import { home } from '../run.ts';

const place = home({ PROXMOX_HOST: 'evil.example.org', PROXMOX_MAX_VMS: '0' });
afterAll(place.remove);

test('the story runs to its end, whatever the settings of the user are', { timeout: 120_000 }, async () => {
  const { code, stdout, stderr } = await place.runBinary(['demo']);
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
    'CPU is at its limit',
    'Roll shop-web',
    'everything written since is lost',
    'backup/vzdump-qemu-',
    'it is stopped and has new MAC addresses',
    'add net1 (bridge=vmbr1,tag=42), MAC BC:24:11:',
    'move: live',
    '10.77.0.53',
    'PUT /cluster/backup/backup-nightly',
    '03:30',
    'none changed',
  ]) {
    expect(stdout).toContain(told);
  }
});

test('an invalid port is a usage error', async () => {
  expect((await place.run(['demo', '--serve', 'x'])).code).toBe(2);
});
