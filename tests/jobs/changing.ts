import { expect } from 'vitest';
import { type Answer, type Job, yes } from './job.ts';

/** Guests that change or pause. */
export const changing: Job[] = [
  {
    number: 7,
    prompt: 'Double the memory of web1, from 1 GiB to 2. When does it take effect?',
    calls: [{ tool: 'set_resources', args: { vmid: 100, memory: 2048 } }],
    async done([changed], cluster) {
      expect((await cluster.guest(100)).config.memory).toBe('2048');
      expect(changed.pending.memory).toContain('at the next stop and start');
    },
  },
  {
    number: 8,
    prompt: 'Shut node3 down. – Yes.',
    calls: [{ tool: 'stop_vm', args: { name: 'node3' } }, yes],
    async done(_answers, cluster) {
      const { vmid, status } = await cluster.guest('node3');
      expect(status).toBe('stopped');
      expect(cluster.sent).toEqual([`POST /nodes/pve/qemu/${vmid}/status/shutdown`]);
    },
  },
  {
    number: 9,
    prompt: 'legacy-erp ignores the power button. Cut its power. – Yes.',
    calls: [{ tool: 'stop_vm', args: { name: 'legacy-erp', force: true } }, yes],
    async done([asked], cluster) {
      expect((await cluster.guest('legacy-erp')).status).toBe('stopped');
      expect(asked.plan).toMatchObject({ effect: 'destroy', raised_because: expect.stringContaining('not written to disk is lost') });
    },
  },
  {
    number: 13,
    prompt: 'Grow the disk of web2 to 80 GiB.',
    calls: [
      { tool: 'get_vm', args: { name: 'web2' } },
      { tool: 'update_vm', args: ([vm]) => ({ name: 'web2', disks: [{ disk: vm?.disks[0].slot, size_gb: 80 }] }) },
    ],
    async done([, grown], cluster) {
      expect((await cluster.guest('web2')).config.scsi0).toContain('size=80G');
      expect(grown.warnings.join()).toContain('growpart');
    },
  },
  {
    number: 14,
    prompt: 'Take a snapshot of node1 before the upgrade. – It went wrong: roll it back. – Yes.',
    calls: [
      { tool: 'snapshot_vm', args: { name: 'node1', snapshot: 'before-upgrade' } },
      { tool: 'rollback_snapshot', args: { name: 'node1', snapshot: 'before-upgrade', start: true } },
      yes,
    ],
    async done([, asked], cluster) {
      const { vmid, status, config } = await cluster.guest('node1');
      expect([status, config.parent]).toEqual(['running', 'before-upgrade']);
      expect(cluster.sent).toContain(`POST /nodes/pve/qemu/${vmid}/snapshot/before-upgrade/rollback`);
      expect(asked.summary).toMatch(/\d+ s ago\); everything written since is lost$/);
    },
  },
  {
    number: 15,
    prompt: 'Reboot web1 (VMID 100), so that its new memory counts. – Yes.',
    calls: [{ tool: 'reboot_vm', args: { vmid: 100 } }, yes],
    async done([, done], cluster) {
      expect(done.result.applied).toEqual(['memory 1024 → 2048']);
      const { node, status } = await cluster.guest(100);
      expect(status).toBe('running');
      const pending = await cluster.get(`/nodes/${node}/qemu/100/pending`);
      expect(pending.find((row: Answer) => row.key === 'memory')).toEqual({ key: 'memory', value: '2048' });
    },
  },
  {
    number: 18,
    prompt: 'Move web1 (VMID 100) to pve2 without an interruption.',
    calls: [{ tool: 'migrate_vm', args: { vmid: 100, target_node: 'pve2' } }],
    async done([moved], cluster) {
      expect(await cluster.guest(100)).toMatchObject({ node: 'pve2', status: 'running' });
      expect(moved).toMatchObject({ node: 'pve2', from: 'pve', move: 'live' });
    },
  },
  {
    number: 19,
    prompt: 'Give web2 a second network card in VLAN 42.',
    calls: [{ tool: 'update_vm', args: { name: 'web2', nics: [{ bridge: 'vmbr0', vlan: 42 }] } }],
    async done([changed], cluster) {
      const { config } = await cluster.guest('web2');
      expect(config.net1).toMatch(/^virtio=[\dA-F:]{17},bridge=vmbr0,tag=42$/i);
      expect(JSON.stringify(changed.applied)).toContain((config.net1 ?? '').slice(7, 24));
    },
  },
  {
    number: 25,
    prompt: 'Rename build1 to builder, tag it ci, and note that it builds the nightly images. – Yes.',
    calls: [
      { tool: 'update_vm', args: { name: 'build1', new_name: 'builder', add_tags: ['ci'], notes: 'builds the nightly images' } },
      yes,
    ],
    async done(_answers, cluster) {
      const { config } = await cluster.guest('builder');
      expect(config).toMatchObject({ tags: 'ci;dev', description: 'builds the nightly images' });
      expect(cluster.sent).toEqual(['POST /nodes/pve/qemu/104/config']);
    },
  },
  {
    number: 26,
    prompt: 'Open port 8080 of web1 (VMID 100) for the LAN 10.77.0.0/24. – Yes.',
    calls: [
      {
        tool: 'update_firewall',
        args: { vmid: 100, rules: [{ action: 'ACCEPT', proto: 'tcp', dport: '8080', source: '10.77.0.0/24' }] },
      },
      yes,
    ],
    async done(_answers, cluster) {
      const rules = await cluster.get('/nodes/pve2/qemu/100/firewall/rules');
      expect(rules[0]).toMatchObject({ type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '8080', source: '10.77.0.0/24', enable: 1 });
      expect(rules).toHaveLength(3);
    },
  },
];
