import { expect } from 'vitest';
import { rowsOf } from '../helpers/rows.ts';
import { type Answer, type Job, no, yes } from './job.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';
const SHOP = {
  name: 'shop1',
  source_name: 'ubuntu-24-template',
  cores: 4,
  memory: 8192,
  disk_gb: 50,
  cloud_init: { user: 'ops', sshkeys: KEY },
  wait_for: 'ip',
};
const NODES = ['node1', 'node2', 'node3'];

/** Guests that come, and those that go. */
export const making: Job[] = [
  {
    number: 4,
    prompt: `Create an Ubuntu VM shop1 with 4 cores, 8 GiB and a 50 GiB disk, user ops with the key ${KEY}. Start it and tell me its IP.`,
    calls: [
      { tool: 'get_cluster', args: { sections: ['media', 'templates'] }, unnamed: 'both' },
      { tool: 'clone_template', args: SHOP },
    ],
    async done([have, made], cluster) {
      expect(rowsOf(have.templates)).toContainEqual(expect.objectContaining({ name: 'ubuntu-24-template' }));
      const { config, status } = await cluster.guest('shop1');
      expect(status).toBe('running');
      expect(config).toMatchObject({ cores: 4, memory: '8192', ciuser: 'ops', scsi0: expect.stringContaining('size=50G') });
      expect(decodeURIComponent(config.sshkeys ?? '')).toContain(KEY);
      expect(made).toMatchObject({ created: true, ip_addresses: [expect.stringMatching(/^\d+\./)] });
    },
  },
  {
    number: 5,
    prompt: 'The same again: an Ubuntu VM shop1, as before.',
    calls: [{ tool: 'clone_template', args: SHOP }],
    done([again], { sent }) {
      expect(again).toMatchObject({ created: false, existing: true, status: 'running', differences: [] });
      expect(sent).toEqual([]);
    },
  },
  {
    number: 6,
    prompt:
      'Make node1, node2 and node3 from the Debian template with 10.77.0.51, .52 and .53 (gateway 10.77.0.1), and wait until they are up.',
    calls: [
      {
        tool: 'clone_template',
        args: {
          source_name: 'debian-12-template',
          names: NODES,
          ips: ['10.77.0.51/24', '10.77.0.52/24', '10.77.0.53/24'],
          cloud_init: { user: 'ops', sshkeys: KEY, ipconfig0: 'gw=10.77.0.1' },
          wait_for: 'ip',
        },
      },
    ],
    async done([made], cluster, progress) {
      expect(made.guests.map((guest: Answer) => [guest.name, guest.ip_addresses[0]])).toEqual(
        NODES.map((name, index) => [name, `10.77.0.5${index + 1}`]),
      );
      for (const name of NODES) {
        const { status, config } = await cluster.guest(name);
        expect([status, config.ipconfig0]).toEqual(['running', `gw=10.77.0.1,ip=10.77.0.5${NODES.indexOf(name) + 1}/24`]);
        expect(progress.some((message) => message.includes(`start ${name}`))).toBe(true);
      }
    },
  },
  {
    number: 10,
    prompt: 'Delete dev1 with everything. – No, not that one! Delete cache1 instead. – Yes, that one.',
    calls: [{ tool: 'delete_vm', args: { name: 'dev1' } }, no, { tool: 'delete_vm', args: { name: 'cache1', purge: true } }, yes],
    async done(_answers, cluster) {
      expect(await cluster.names()).toContain('dev1');
      expect(await cluster.names()).not.toContain('cache1');
      expect(cluster.sent).toEqual(['DELETE /nodes/pve2/lxc/201']);
    },
  },
  {
    number: 11,
    prompt: 'Create a VM big with 64 cores, 128 GiB and 2 TB on nas. If that is too much, what would fit?',
    calls: [
      { tool: 'create_vm', args: { name: 'big', cores: 64, memory: 131_072, disk_gb: 2000, storage: 'nas' }, error: 'quota_exceeded' },
    ],
    async done([refused], cluster) {
      expect(refused.error.details.fits).toEqual({ cpu: 16, memoryMib: 32_768, diskGib: expect.any(Number) });
      for (const variable of ['PROXMOX_MAX_CPU', 'PROXMOX_MAX_RAM_MB', 'PROXMOX_MAX_DISK_GB'])
        expect(refused.error.message).toContain(variable);
      expect(await cluster.names()).not.toContain('big');
    },
  },
  {
    number: 16,
    prompt: 'Create a container proxy1 on local-lvm with 10.77.0.60 (gateway 10.77.0.1) and my key, and start it.',
    calls: [
      {
        tool: 'create_container',
        args: { name: 'proxy1', storage: 'local-lvm', ip: '10.77.0.60/24', gateway: '10.77.0.1', ssh_keys: KEY, start: true },
      },
    ],
    async done([made], cluster) {
      const { status, config, type } = await cluster.guest('proxy1');
      expect([type, status, config.unprivileged]).toEqual(['lxc', 'running', 1]);
      expect(config.net0).toContain('ip=10.77.0.60/24');
      expect(made.created).toBe(true);
    },
  },
  {
    number: 17,
    prompt: 'Back up web1 to nas, and restore that backup beside it as a new VM.',
    calls: [
      { tool: 'backup_vm', args: { name: 'web1', storage: 'nas' } },
      { tool: 'restore_backup', args: ([backup]) => ({ volume: backup?.backups[0].volume }) },
    ],
    async done([backup, restored], cluster) {
      const volumes = await cluster.get('/nodes/pve/storage/nas/content?content=backup&vmid=100');
      expect(volumes.map((volume: Answer) => volume.volid)).toContain(backup.backups[0].volume);
      const [old, fresh] = [await cluster.guest(100), await cluster.guest(restored.vmid)];
      expect([old.status, fresh.status]).toEqual(['running', 'stopped']);
      expect(fresh.config.net0).not.toBe(old.config.net0);
    },
  },
];
