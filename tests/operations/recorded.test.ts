import { describe, expect, it } from 'vitest';
import { contextOn, linesOf, planIn, readIn, requestsOf } from '../helpers/described/index.ts';
import { standing, withRecordings } from '../helpers/recorded.ts';

// What the operations make of answers that Proxmox VE 9.2 gave; no simulator stands between.
const { client } = withRecordings();
const context = () => contextOn(client(), { tokenId: 'root@pam!tok' });

/** The list, the node, storages and bridges as root saw them. */
const CLUSTER = [421, 45, 60, 67];

describe('a VM that runs, with changes that wait for its next start', () => {
  // pending, status/current, the agent, snapshots
  const RUNNING = [239, 233, 243, 280];

  it('is shown', async () => {
    standing('transcripts', ...CLUSTER, ...RUNNING);
    const vm = await readIn(context(), 'get_vm', { vmid: 102, fields: ['snapshots', 'description'] });
    expect(vm).toMatchObject({
      vmid: 102,
      name: 'full-one',
      node: 'pve',
      status: 'running',
      pool: 'testpool',
      config: {
        cores: 1,
        sockets: 1,
        memory_mb: 384,
        cloud_init: { user: 'admin', ipconfig0: 'ip=10.77.0.50/24,gw=10.77.0.1', password: 'set' },
      },
      pending: [
        { key: 'memory', now: '320', next: '384' },
        { key: 'cores', now: '2', next: '1' },
      ],
      disks: [
        { slot: 'ide2', volume: 'local:102/vm-102-cloudinit.qcow2', media: 'cloudinit' },
        { slot: 'scsi0', volume: 'fast:102/vm-102-disk-0.qcow2', size_gb: 3, media: 'disk' },
      ],
      networks: [{ slot: 'net0', model: 'virtio', mac: 'BC:24:11:9F:5C:06', bridge: 'vmbr0' }],
      ip_addresses: ['10.77.0.26'],
      snapshots: 2,
      snapshot_list: [{ snapshot: 'snap1' }, { snapshot: 'ramsnap' }],
      description: expect.stringContaining('changed'),
    });
    expect(JSON.stringify(vm)).not.toContain('**********');
  });

  it('is stopped by one request, bound to its identity', async () => {
    standing('transcripts', ...CLUSTER, ...RUNNING);
    const plan = await planIn(context(), 'stop_vm', { vmid: 102 });
    expect(linesOf(plan)).toEqual(['POST /nodes/pve/qemu/102/status/shutdown']);
    expect(plan.target).toMatchObject({
      key: 'fb45e2ad-bf67-4630-a77c-c1d249a6fb04',
      name: 'full-one',
      disks: ['fast:102/vm-102-disk-0.qcow2', 'local:102/vm-102-cloudinit.qcow2'],
    });
    expect(plan.warnings).toEqual([expect.stringContaining('memory 320 → 384')]);
  });

  it('is changed against the configuration that is pending, fenced by the recorded digest', async () => {
    standing('transcripts', ...CLUSTER, ...RUNNING);
    const plan = await planIn(context(), 'set_resources', { vmid: 102, cores: 2, memory: 384 });
    expect(requestsOf(plan)[0]?.params).toEqual({ cores: 2, digest: '7dd7b9a0e038144804b06db5ae5cbdcf82d898c2' });
  });
});

it('the guests that a token of a pool sees, its templates last', async () => {
  standing('golden-flows', 199);
  const { vms, total } = await readIn(context(), 'list_vms', {});
  expect(total).toBe(4);
  expect(vms).toMatchObject([
    { vmid: 711, name: 'from-iso', status: 'stopped', cpus: 1, memory_mb: 128 },
    { vmid: 712, name: 'clone1', status: 'stopped', cpus: 2, memory_mb: 256, tags: ['mcp'] },
    { vmid: 790, name: 'pool-template', template: true },
    { vmid: 9000, name: 'guest-template', template: true },
  ]);
});
