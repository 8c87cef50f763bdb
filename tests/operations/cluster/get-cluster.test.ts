import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { renderResult } from '../../../src/render/result.ts';
import { container, type GuestSpec, openWorld, readIn, template, useWorlds, type World, webServer } from '../../helpers/described/index.ts';
import { operationNamed } from '../../helpers/operations.ts';
import { agent, openWorld as openEngine } from '../../helpers/world.ts';

useWorlds();

async function look(world: World, args: object = {}) {
  const { ctx, requests } = await openWorld(world);
  return { answer: await readIn(ctx, 'get_cluster', args), requests };
}
const forModel = (output: JsonObject) => renderResult({ kind: 'done', output }, { tables: operationNamed('get_cluster') }).forModel;
const DAY = Date.parse('2026-11-20T00:00:00Z') / 1000;
const nas = { storage: 'nas', type: 'nfs', content: 'images,iso', shared: 1, availGib: 5, totalGib: 100 };
const local = { storage: 'local', type: 'dir', content: 'iso,vztmpl,backup,import', availGib: 60, totalGib: 100 };
const thin = { storage: 'local-lvm', type: 'lvmthin', content: 'images,rootdir', availGib: 30, totalGib: 50 };
const house: World = {
  nodes: [{ node: 'pve' }, { node: 'pve2' }, { node: 'pve3', status: 'offline' }],
  storages: { pve: [local, thin, nas], pve2: [nas] },
  bridges: { pve: ['vmbr0', 'vmbr1'], pve2: ['vmbr0'] },
  guests: [webServer, { ...webServer, vmid: 106, node: 'pve2', running: false }, { ...container, ha: 'started' }, template],
  volumes: [
    { storage: 'local', volid: 'local:iso/debian-12.iso', content: 'iso', sizeGib: 0.6 },
    { storage: 'local', volid: 'local:import/noble.qcow2', content: 'import' },
    { storage: 'local', volid: 'local:vztmpl/alpine.tar.xz', content: 'vztmpl' },
    { storage: 'local-lvm', volid: 'local-lvm:vm-105-disk-0', content: 'images', vmid: 105, sizeGib: 32 },
    { storage: 'local-lvm', volid: 'local-lvm:vm-106-disk-0', content: 'images', vmid: 106, sizeGib: 40 },
    { storage: 'local', volid: 'local:backup/vzdump-qemu-105-a.vma.zst', content: 'backup', vmid: 105, ctime: DAY },
    { storage: 'local', volid: 'local:backup/vzdump-qemu-105-b.vma.zst', content: 'backup', vmid: 105, ctime: DAY + 86_400 },
  ],
};

describe('get_cluster', () => {
  test('shows nodes with state, use and their guests; templates are no guests', async () => {
    const { answer } = await look(house, { sections: ['nodes'] });
    expect(answer.nodes).toMatchObject([
      { node: 'pve', state: 'online', cpus: 8, memory_mb: 32_768, guests: 2, running: 2, version: '9.2.11' },
      { node: 'pve2', state: 'online', guests: 1, running: 0 },
      { node: 'pve3', state: 'offline' },
    ]);
    expect(answer.nodes[0].cpu_percent).toBeGreaterThan(0);
    expect(answer).not.toHaveProperty('storages');
    expect(answer.cannot_see).toEqual([]);
  });
  test('shows each storage once, what its disks may grow to, and warns of promises and of full ones', async () => {
    const { answer, requests } = await look(house, { sections: ['storages'] });
    expect(answer.storages).toMatchObject([
      { storage: 'local', node: 'pve', type: 'dir', free_gb: expect.any(Number), total_gb: 100 },
      { storage: 'local-lvm', node: 'pve', allocated_gb: 72, total_gb: 50 },
      { storage: 'nas', shared: true, total_gb: 100, allocated_gb: 0 },
    ]);
    expect(answer.warnings).toEqual([
      expect.stringMatching(/^local-lvm on pve has promised 72 GiB to disks and has 50 GiB; \d+ % is written\.$/),
      'nas is 95 % full.',
    ]);
    expect(requests().filter((request) => request.includes('/content'))).toEqual([
      '/nodes/pve/storage/local/content',
      '/nodes/pve/storage/local-lvm/content',
      '/nodes/pve/storage/nas/content',
    ]);
    expect(requests().filter((request) => request.includes('pve3'))).toEqual([]);
  });
  test('shows bridges once with their nodes, media by volume id, templates by VMID, backups by storage', async () => {
    const { answer } = await look(house, { sections: ['networks', 'media', 'templates', 'backups'] });
    expect(answer.networks).toMatchObject([
      { bridge: 'vmbr0', type: 'bridge', nodes: ['pve', 'pve2'] },
      { bridge: 'vmbr1', type: 'bridge', nodes: ['pve'] },
    ]);
    expect(answer.media).toEqual([
      { kind: 'image', volume: 'local:import/noble.qcow2', size_gb: 1, node: 'pve' },
      { kind: 'iso', volume: 'local:iso/debian-12.iso', size_gb: 0.6, node: 'pve' },
      { kind: 'container template', volume: 'local:vztmpl/alpine.tar.xz', size_gb: 1, node: 'pve' },
    ]);
    expect(answer.templates).toMatchObject([{ vmid: 9000, name: 'debian-12-template', type: 'vm', node: 'pve' }]);
    expect(answer.backups).toEqual([
      { storage: 'local', node: 'pve', backups: 2, guests: 1, size_gb: 2, newest: '2026-11-21', oldest: '2026-11-20' },
    ]);
  });
  test('finds media and templates by a part of their name', async () => {
    const { answer } = await look(house, { sections: ['media', 'templates'], name: 'debian' });
    expect(answer.media.map(({ volume }: { volume: string }) => volume)).toEqual(['local:iso/debian-12.iso']);
    expect(answer.templates).toHaveLength(1);
    expect((await look(house, { sections: ['media', 'templates'], name: 'noble' })).answer.templates).toEqual([]);
  });
  test('shows the guests that HA manages', async () => {
    const { answer } = await look(house, { sections: ['ha'] });
    expect(answer.ha.guests).toEqual([{ vmid: 201, name: 'dns1', node: 'pve', state: 'started' }]);
  });

  test('says of every section what the token cannot see there: an empty list is not "none"', async () => {
    const permissions = {
      '/pool/agents': ['VM.Audit'],
      '/storage/local': ['Datastore.Audit', 'Datastore.AllocateSpace'],
      '/sdn': ['SDN.Use'],
    };
    const { answer } = await look({ ...house, permissions });
    expect(answer.backups).toMatchObject([{ storage: 'local', backups: 0 }]);
    expect(answer.cannot_see).toEqual([
      'guests: shown only with VM.Audit (held on /pool/agents alone)',
      'load and memory of nodes: shown only with Sys.Audit (held nowhere)',
      'storages: shown only with Datastore.Audit or Datastore.AllocateSpace (held on /storage/local alone)',
      'disks on storages: shown only with VM.Config.Disk (held nowhere) and Datastore.Audit (held on /storage/local alone)',
      'backups: shown only with VM.Backup (held nowhere) and Datastore.AllocateSpace (held on /storage/local alone)',
      'HA state and quorum: shown only with Sys.Audit on / (held nowhere)',
    ]);
    expect(answer.nodes[0]).toEqual({ node: 'pve', state: 'online', guests: 0, running: 0, version: '9.2.11' });
    const auditor = { '/': ['VM.Audit', 'Sys.Audit', 'Datastore.Audit', 'SDN.Audit', 'Pool.Audit'] };
    expect((await look({ ...house, permissions: auditor }, { sections: ['backups'] })).answer.cannot_see).toEqual([
      'backups: shown only with VM.Backup (held nowhere) and Datastore.AllocateSpace (held nowhere)',
    ]);
  });
  test('says that a role on one guest takes VM.Audit away', async () => {
    const permissions = { '/vms': ['VM.Audit'], '/vms/105': ['VM.PowerMgmt'] };
    const { answer } = await look({ ...house, permissions }, { sections: ['templates'] });
    expect(answer.cannot_see).toEqual(['guests: shown only with VM.Audit (held on /vms alone)']);
  });

  test('of a large cluster is at most 6,000 tokens, and says what it left out', async () => {
    const volumes = Array.from({ length: 500 }, (_, i) => ({
      storage: 'local',
      volid: `local:iso/some-distribution-${i}.iso`,
      content: 'iso',
    }));
    const guests: GuestSpec[] = Array.from({ length: 150 }, (_, i) => ({
      ...template,
      vmid: 2000 + i,
      config: { name: `tpl-${i}`, template: 1 },
    }));
    const nodes = Array.from({ length: 12 }, (_, i) => ({ node: i === 0 ? 'pve' : `pve${i + 1}` }));
    const { answer } = await look({ nodes, volumes, guests });
    const shown = forModel(answer);
    expect(encode(JSON.stringify(shown)).length).toBeLessThan(6000);
    expect(shown.left_out).toEqual(expect.arrayContaining([expect.stringMatching(/^media\.rows: the first \d+ of \d+$/)]));
    expect((shown.nodes as { rows: unknown[] }).rows).toHaveLength(12);
  });
});

test('the limits are those that the guard counts, with the largest guest that still fits', async () => {
  const world = await openEngine({
    limits: { maxCpu: 16, maxRamMib: 4096, maxDiskGib: 500, maxVms: 50, maxTotalCpu: 1000, scope: { kind: 'visible' } },
  });
  try {
    const quotas = await world.engine.quotas();
    const guests = quotas.quotas.find(({ size }) => size === 'guests');
    const answer = await world.done('get_cluster', { sections: ['limits'] });
    expect(answer).toMatchObject({
      limits: {
        per_guest: { cpus: 16, memory_mb: 4096, disk_gb: 500 },
        together: [
          { limit_of: 'guests', limit: 50, used: guests?.used, left: guests?.left, variable: 'PROXMOX_MAX_VMS' },
          { limit_of: 'cpus', limit: 1000, variable: 'PROXMOX_MAX_TOTAL_CPU' },
        ],
      },
      largest_guest: { memory_mb: 4096 },
    });
    const { cpus, disk_gb: disk } = answer.largest_guest as { cpus: number; disk_gb: number };
    // One core or GiB more is refused, and not for the limits: the nodes and storages of the demo are smaller than those.
    expect((await world.refused(world.call('create_vm', { name: 'more', cores: cpus + 1 }, { dryRun: true }))).code).toMatch(
      /quota_exceeded|not_possible/,
    );
    expect(disk).toBeLessThanOrEqual(500);
    const full = world.another({ limits: { maxCpu: 16, maxRamMib: 4096, maxDiskGib: 500, maxVms: 1, scope: { kind: 'visible' } } });
    const result = await full.perform('get_cluster', { sections: ['limits'] }, agent);
    expect(result).toMatchObject({ kind: 'done', output: { limits: { together: [{ left: 0 }] } } });
    expect((result as unknown as { output: object }).output).not.toHaveProperty('largest_guest');
  } finally {
    await world.close();
  }
});
