import { expect } from 'vitest';
import { rowsOf } from '../helpers/rows.ts';
import { type Answer, type Job, yes } from './job.ts';

const ISO = 'https://cdimage.debian.org/debian-cd/current/amd64/iso-cd/debian-13.1.0-amd64-netinst.iso';
const SHOP2 = {
  name: 'shop2',
  storage: 'local-lvm',
  image: 'debian-12-genericcloud-amd64.qcow2',
  cloud_init: { user: 'ops', password: 'change-me-soon' },
  wait_for: 'ip',
};

/** Care of the cluster, and what goes wrong on the way. */
export const upkeep: Job[] = [
  {
    number: 20,
    prompt: `Where is space left? Get the Debian 13 ISO (${ISO}) onto pve.`,
    calls: [
      { tool: 'get_cluster', args: { sections: ['storages'] }, unnamed: 'both' },
      { tool: 'download_media', args: { url: ISO, content: 'iso', storage: 'local' } },
    ],
    async done([space, got], cluster) {
      const nas = rowsOf<Answer>(space.storages).find((row) => row.storage === 'nas');
      expect(nas?.free_gb).toBeGreaterThan(1000);
      const isos = await cluster.get('/nodes/pve/storage/local/content?content=iso');
      expect(isos.map((volume: Answer) => volume.volid)).toContain(got.volume);
    },
  },
  {
    number: 24,
    prompt: 'Delete all snapshots that are older than 30 days. – Yes.',
    calls: [{ tool: 'delete_snapshot', args: { older_than_days: 30 } }, yes],
    async done([asked], cluster) {
      expect(asked.summary).toContain('before-move');
      expect(cluster.sent).toEqual(['DELETE /nodes/pve2/qemu/107/snapshot/before-move']);
      const left = await cluster.get('/nodes/pve/qemu/104/snapshot');
      expect(left.map((snapshot: Answer) => snapshot.name)).toContain('clean');
    },
  },
  {
    number: 27,
    prompt: 'Empty pve2 for maintenance. – Yes.',
    calls: [{ tool: 'migrate_vm', args: { from_node: 'pve2' } }, yes],
    async done([, moved], cluster) {
      const guests = await cluster.get('/cluster/resources?type=vm');
      expect(guests.filter((row: Answer) => row.node === 'pve2')).toEqual([]);
      expect(moved.result.guests.map((guest: Answer) => [guest.name, guest.node, guest.move])).toEqual(
        ['web1', 'web2', 'monitor'].map((name) => [name, 'pve', 'live']),
      );
    },
  },
  {
    number: 28,
    prompt: 'Is nginx on monitor up? Ask inside the guest. – Yes, run it.',
    calls: [{ tool: 'run_in_guest', args: { name: 'monitor', argv: ['systemctl', 'status', 'nginx'] } }, yes],
    done([, ran], { sent }) {
      expect(ran.result).toMatchObject({ exit_code: 0, out: expect.stringContaining('Active: active (running)') });
      expect(sent).toEqual(['POST /nodes/pve/qemu/107/agent/exec']);
    },
  },
  {
    number: 29,
    prompt: 'Back up dns1 to nas now. It may take long.',
    // The shorter wait stands for a backup that takes longer than a client waits.
    fault: { match: { method: 'POST', path: '/vzdump$' }, action: 'slow-task', ms: 3_000, times: 1 },
    calls: [
      { tool: 'backup_vm', args: { name: 'dns1', storage: 'nas', wait_seconds: 1 } },
      { tool: 'get_task', args: ([running]) => ({ run_id: running?.run_id, wait_seconds: 50 }) },
    ],
    async done([running, ended], cluster) {
      expect(running.status).toBe('running');
      expect(ended.status).toBe('succeeded');
      const volumes = await cluster.get('/nodes/pve/storage/nas/content?content=backup&vmid=200');
      expect(volumes.map((volume: Answer) => volume.volid)).toEqual([ended.result.backups[0].volume]);
      expect(cluster.sent).toEqual(['POST /nodes/pve/vzdump']);
    },
  },
  {
    number: 30,
    prompt:
      'Create a Debian VM shop2 on local-lvm from the image debian-12-genericcloud-amd64.qcow2, user ops with a password, and tell me its IP. (The server dies in the middle.)',
    fault: { match: { method: 'POST', path: '/nodes/pve/qemu$' }, action: 'hold', times: 1 },
    calls: [
      { tool: 'create_vm', args: SHOP2, dies: true },
      { tool: 'create_vm', args: SHOP2 },
    ],
    async done([, again], cluster) {
      expect((await cluster.names()).filter((name) => name === 'shop2')).toHaveLength(1);
      expect(cluster.sent.filter((line) => line === 'POST /nodes/pve/qemu')).toHaveLength(1);
      const shop2 = await cluster.guest('shop2');
      expect([shop2.vmid, shop2.status]).toEqual([again.vmid, 'running']);
      expect(again.ip_addresses).toEqual([expect.stringMatching(/^\d+\./)]);
    },
  },
];
