import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const refusal = async (operation: string, args: object) => (await world.refused(world.call(operation, args))).message;
async function planOf(operation: string, args: object): Promise<JsonObject> {
  const result = await world.call(operation, args, { dryRun: true });
  if (result.kind !== 'dry_run') throw new Error(result.kind);
  return result.plan as unknown as JsonObject;
}

describe('a whole number is only read in the spelling of JSON', () => {
  const ODD = [
    '2G',
    '2048M',
    '2 GB',
    '2,048',
    '2_048',
    '0x800',
    '1e3',
    '+2048',
    '2048.0',
    ' 2048',
    '２０４８',
    '٢٠٤٨',
    'NaN',
    'Infinity',
    'two',
  ];
  it.each([...ODD, 2048.5, true, {}, [], [1, 2], '2048\u0000', '\ud800'])('memory %j is refused', async (memory) => {
    expect(await refusal('create_vm', { name: 'odd', memory })).toBe('create_vm: memory must be a whole number.');
  });
  it.each([
    [{ memory: -1 }, 'memory must be at least 16.'],
    [{ memory: '-1' }, 'memory must be at least 16.'],
    [{ memory: 1e308 }, 'memory must be at most 16777216.'],
    [{ cores: 0 }, 'cores must be at least 1.'],
    [{ disk_gb: 0.5 }, 'disk_gb must be a whole number.'],
    [{ disk_gb: '+20G' }, 'disk_gb must be a whole number.'],
    [{ disk_gb: 1e7 }, 'disk_gb must be at most 131072.'],
    [{ vmid: 99 }, 'vmid must be at least 100.'],
    [{ vmid: '0100' }, 'vmid must be a whole number.'],
  ])('%j', async (args, problem) => {
    expect(await refusal('create_vm', { name: 'odd', ...args })).toBe(`create_vm: ${problem}`);
  });
  it('a list of one number is that number, and a number is a text where a text is wanted', async () => {
    expect(await world.done('get_vm', { vmid: [100] })).toMatchObject({ vmid: 100 });
    expect(await world.done('get_vm', { vmid: ['100'] })).toMatchObject({ vmid: 100 });
    expect(await planOf('create_vm', { name: 2024, memory: ['2048'], disk_gb: 1 })).toMatchObject({
      after: { name: '2024', memory_mb: 2048 },
    });
    expect(await refusal('get_vm', { name: 2024 })).toBe('No guest called 2024 is visible.');
  });
});

describe('objects and lists in the place of each other', () => {
  it('one object is a list of one, also as JSON text, and a list of one object is that object', async () => {
    for (const disks of [{ size_gb: 1 }, [{ size_gb: '1' }], '{"size_gb": 1}', '[{"size_gb": 1}]'])
      expect(JSON.stringify(await planOf('update_vm', { vmid: 105, disks }))).toContain('add scsi1 of 1 GiB');
    for (const cloud_init of [[{ user: 'ops' }], '[{"user": "ops"}]', '{"user": "ops"}'])
      expect(JSON.stringify(await planOf('create_vm', { name: 'odd', disk_gb: 1, cloud_init }))).toContain('"ciuser":"ops"');
  });
  it('names with values are name=value where those are wanted, also as JSON text', async () => {
    const method = 'GET /nodes/{node}/tasks';
    const listed = await world.done('api_read', { method, params: ['node=pve', 'limit=2'] });
    for (const params of [{ node: 'pve', limit: 2 }, '{"node": "pve", "limit": 2}'])
      expect(await world.done('api_read', { method, params })).toEqual(listed);
    expect(await refusal('api_read', { method, params: { node: { a: 1 } } })).toBe('api_read: params must be a list.');
    const change = { method: 'POST /cluster/backup', params: { schedule: 'daily', all: true, storage: 'local' } };
    expect(JSON.stringify(await planOf('api_change', change))).toContain('"all":"1"');
    const secret = { method: 'POST /cluster/backup', params: { schedule: 'daily', password: 'canary-hunter2' } };
    expect(await refusal('api_change', secret)).toContain('looks like a secret');
    expect(JSON.stringify(world.audit())).not.toContain('canary-hunter2');
  });
  it.each([
    ['update_vm', { vmid: 105, disks: [null] }, 'disks.0 must be an object.'],
    ['update_vm', { vmid: 105, disks: 'scsi0' }, 'disks.0 must be an object.'],
    ['update_vm', { vmid: 105, disks: [{ disk: '__proto__', size_gb: 1 }] }, 'disks.0.disk must be a disk like scsi0.'],
    ['update_vm', { vmid: 105, disks: [{ size_gb: 1, storage: '../x' }] }, 'disks.0.storage must be the name of a storage.'],
    ['create_vm', { name: 'odd', cloud_init: [] }, 'cloud_init must be an object.'],
    ['create_vm', { name: 'odd', cloud_init: [{}, {}] }, 'cloud_init must be an object.'],
    ['create_vm', { name: 'odd', tags: { a: 1 } }, 'tags must be a list.'],
    ['create_vm', { name: 'odd', tags: [null] }, 'tags.0 must be text.'],
    ['create_vm', { name: 'odd', tags: "['a','b']" }, 'tags must be a list.'],
    ['stop_vm', { vmids: [null] }, 'vmids.0 must be a whole number.'],
    ['stop_vm', { vmids: 'all' }, 'vmids.0 must be a whole number.'],
    ['delete_vm', { vmid: 105, purge: [true] }, 'purge must be true or false.'],
  ])('%s %j', async (operation, args, problem) => {
    expect(await refusal(operation, args)).toBe(`${operation}: ${problem}`);
  });
});

describe('texts with characters that a reader does not see', () => {
  it.each(['web1\u0000', '\ud800', '\u202eweb1', 'we\u200bb1', '\u001b[31mweb1', 'web1\nweb2', ''.padEnd(254, 'a')])(
    'the name %j is not the name of a guest',
    async (name) => {
      expect(await refusal('get_vm', { name })).toBe('get_vm: name must be the name of a guest.');
    },
  );
  it('two names are not one', async () => {
    expect(await refusal('get_vm', { name: ['web1', 'dev1'] })).toBe('get_vm: name must be text.');
  });
  it.each(['\ud800', 'a\udc00b', '\u202eabc', 'a\u2066b', '\u001b[31m', 'a\u0000'])(
    'notes %j would be sent as another text',
    async (notes) => {
      expect(await refusal('update_vm', { vmid: 105, notes })).toContain(
        'notes must be at most 8192 characters without control characters',
      );
    },
  );
  it.each([
    ['get_task', { run_id: '\u0000' }, 'run_id must not have characters that do not show.'],
    ['get_task', { upid: 'UPID:pve\u202e' }, 'upid must not have characters that do not show.'],
    ['approve', { approval_id: 'apr\nx' }, 'approval_id must not have characters that do not show.'],
    ['deny', { approval_id: '\u200b' }, 'approval_id must not have characters that do not show.'],
    ['create_vm', { name: 'odd', cloud_init: { user: 'a\ud800' } }, 'cloud_init.user must be one line without control characters.'],
  ])('%s %j', async (operation, args, problem) => {
    expect(await refusal(operation, args)).toBe(`${operation}: ${problem}`);
  });
  it('emoji of several characters and letters of any script are texts like others', async () => {
    for (const notes of ['👩‍👩‍👧 ok ✔️', 'עברית', 'ünï', '```\n</notes>'])
      expect(await planOf('update_vm', { vmid: 105, notes })).toMatchObject({ effect: 'change' });
  });
});

describe('one problem has one sentence', () => {
  it.each([
    ['create_vm', { name: 'a'.repeat(254) }, 'name must have at most 253 characters.'],
    ['create_vm', { name: 'odd', tags: ['x'.repeat(200)] }, 'tags.0 must have at most 124 characters.'],
    ['run_in_guest', { vmid: 105, command: ['ls'] }, 'unknown parameter "command": did you mean argv?'],
    ['migrate_vm', { vmid: 105, to: 'pve2' }, 'unknown parameter "to": did you mean target_node?'],
  ])('%s %j', async (operation, args, problem) => {
    expect(await refusal(operation, args)).toBe(`${operation}: ${problem}`);
  });
  it('and changes nothing', () => {
    expect(world.cluster.mutations()).toEqual([]);
  });
});

describe('an error names the thing that does not exist', () => {
  it('a backup', async () => {
    for (const volume of [
      'local:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst',
      'local:backup/../../etc/passwd',
      'nas:100/vm-100-disk-0.qcow2',
    ])
      expect(await refusal('restore_backup', { volume })).toBe(`No backup ${volume} is visible.`);
  });
  it('a storage, with those that are', async () => {
    const error = await world.refused(world.call('get_metrics', { storage: 'nope' }));
    expect(error.hint).toContain('local-lvm');
  });
  it('a guest without tasks', async () => {
    expect(await world.done('get_task', { guest: 99_999 })).toMatchObject({
      tasks: [],
      notice: 'No guest with VMID 99999 is visible, and no task of it.',
    });
    expect(await world.done('get_task', { guest: 105 })).not.toHaveProperty('notice');
  });
});
