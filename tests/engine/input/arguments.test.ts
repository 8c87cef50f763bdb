import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { coerce } from '../../../src/engine/input/coerce.ts';
import { operations } from '../../../src/operations/index.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3YpeIBaTTlhi2POGbzN2E6csNN4Ye62MDV7ctb9jDv me@host';

/** Members that a second or two between two calls change. */
const withoutGauges = (answer: object) =>
  JSON.parse(JSON.stringify(answer, (key, value) => (['uptime', 'cpu_percent', 'memory_used_mb'].includes(key) ? undefined : value)));

describe('arguments as clients send them', () => {
  beforeAll(async () => {
    world = await openWorld();
    for (const name of ['one', 'two']) await world.done('create_vm', { name, disk_gb: 1 });
  });
  afterAll(() => world.close());

  const vmidOf = async (name: string) => (await world.done('get_vm', { name })).vmid as number;

  it('digits are a number, and null or an empty text of an optional parameter is absent', async () => {
    const vmid = await vmidOf('one');
    expect(await world.done('get_vm', { vmid: String(vmid), name: null, fields: '' })).toMatchObject({ vmid, name: 'one' });
    const empty = { name: '', node: '', cursor: '', tag: '', pool: '', type: '' };
    // Use of CPU and memory differs from one moment to the next.
    const listed = async (args: object) => ((await world.done('list_vms', args)).vms as { vmid: number }[]).map((row) => row.vmid);
    expect(await listed(empty)).toEqual(await listed({}));
    expect(await world.done('get_task', { upid: '', run_id: '' })).toEqual(await world.done('get_task', {}));
    const filters = { limit: '1', name: null, status: '', node: null, cursor: null, tag: null, pool: null, type: null };
    expect(await world.done('list_vms', filters)).toMatchObject({ total: expect.any(Number), vms: [expect.anything()] });
  });

  it('the words true and false are truths, JSON text is a list or an object', async () => {
    const cloud_init = JSON.stringify({ user: 'ops', ciupgrade: 'false', password: null });
    const args = {
      name: 'texts',
      disk_gb: '1',
      cores: '2',
      onboot: 'True',
      tags: '["b","a"]',
      cloud_init,
      vmid: null,
      pool: '',
      start_on_create: 'false',
    };
    await world.done('create_vm', args);
    expect(world.cluster.mutations().at(-2)?.params).toMatchObject({
      name: 'texts',
      cores: '2',
      onboot: '1',
      ciuser: 'ops',
      ciupgrade: '0',
    });
    expect(world.cluster.mutations().at(-1)?.params).toMatchObject({ tags: 'a;b' });
  });

  it('one value is a list of one, a choice is read without case, and the text null of what takes no text is absent', async () => {
    const vmid = await vmidOf('one');
    expect(await world.done('get_vm', { vmid, fields: 'snapshots' })).toHaveProperty('snapshot_list');
    const filters = { status: 'Running', type: ' VM ', limit: 'null', node: ' pve' };
    const plain = { status: 'running', type: 'vm', node: 'pve' };
    expect(withoutGauges(await world.done('list_vms', filters))).toEqual(withoutGauges(await world.done('list_vms', plain)));
    const result = await world.call(
      'create_vm',
      { name: 'tagged', disk_gb: 1, tags: 'web', vmid: 'null', cloud_init: 'null' },
      { dryRun: true },
    );
    if (result.kind !== 'dry_run') throw new Error(result.kind);
    expect(JSON.stringify(result.plan.steps)).toContain('"tags":"web"');
  });

  it('a list of one text is that text, and a list of lines is a text of several lines', async () => {
    expect(await world.done('get_vm', { name: ['one'] })).toMatchObject({ name: 'one' });
    const result = await world.call(
      'create_vm',
      { name: ['keyed'], disk_gb: 1, cloud_init: { sshkeys: [KEY, KEY], user: ['ops'] }, description: ['a', 'b'] },
      { dryRun: true },
    );
    if (result.kind !== 'dry_run') throw new Error(result.kind);
    const params = result.plan.steps.flatMap((step) => (step.kind === 'request' ? [step.params] : []))[0];
    expect(params).toMatchObject({ name: 'keyed', ciuser: 'ops', description: 'a\nb' });
    expect(decodeURIComponent(String(params?.sshkeys))).toBe(`${KEY}\n${KEY}`);
  });

  it.each([
    ['a line takes no list of lines', { name: ['a', 'b'] }, 'name must be text.'],
    ['a user takes no list of users', { name: 'x', cloud_init: { user: ['a', 'b'] } }, 'cloud_init.user must be text.'],
    ['a list of anything else is not lines', { name: 'x', description: ['a', 1] }, 'description must be text.'],
  ])('%s', async (_what, args, problem) => {
    expect((await world.refused(world.call('create_vm', args))).message).toBe(`create_vm: ${problem}`);
  });

  it('the error of a number beyond all bounds names its own bound alone', async () => {
    expect((await world.refused(world.call('get_vm', { vmid: 1e20 }))).message).toBe('get_vm: vmid must be at most 999999999.');
  });

  it('a rule about all of them has no name, and one about one item is in the singular', async () => {
    const vmid = await vmidOf('one');
    const nothing = await world.refused(world.call('set_resources', { vmid }));
    expect(nothing.message).toBe('set_resources: give at least one of cores, sockets, memory, balloon.');
    expect((await world.refused(world.call('stop_vm', { vmids: [] }))).message).toBe('stop_vm: vmids must have at least 1 item.');
  });

  it('spaces around the name of a guest or a filter are ignored', async () => {
    expect(await world.done('get_vm', { name: ' one ' })).toMatchObject({ name: 'one' });
    expect(await world.done('list_vms', { name: 'one ' })).toMatchObject({ total: 1 });
  });

  it('a list of one guest to stop is that guest', async () => {
    const vmid = await vmidOf('two');
    await world.done('start_vm', { vmid });
    for (const args of [{ vmids: [vmid] }, { vmids: vmid }, { names: ['two'] }, { names: 'two' }]) {
      const result = await world.call('stop_vm', args, { dryRun: true });
      if (result.kind !== 'dry_run') throw new Error(result.kind);
      expect(result.plan.summary).toBe(`Shut down two (${vmid}) on pve`);
    }
  });

  it('is one request in whatever form it comes: the approval of one form is redeemed by another', async () => {
    const vmid = await vmidOf('one');
    await world.done('start_vm', { vmid });
    const id = await world.asks('stop_vm', { vmid: String(vmid), timeout: null, force: 'true' });
    expect(await world.call('stop_vm', { name: 'ONE', force: true }, { approvalId: id })).toMatchObject({ kind: 'done' });
  });

  it.each([
    ['a hexadecimal number', { vmid: '0x64' }],
    ['an exponent', { vmid: '1e2' }],
    ['leading zeros', { vmid: '0100' }],
    ['spaces', { vmid: ' 100' }],
    ['a fraction', { vmid: '100.5' }],
  ])('%s is not a VMID', async (_what, args) => {
    expect(await world.refused(world.call('get_vm', args))).toMatchObject({
      code: 'invalid_arguments',
      message: 'get_vm: vmid must be a whole number.',
    });
  });

  it.each([
    ['yes for a truth', 'delete_vm', { vmid: 100, purge: 'yes' }, 'purge must be true or false.'],
    ['1 for a truth', 'delete_vm', { vmid: 100, purge: 1 }, 'purge must be true or false.'],
    [
      'a text that is no choice of a list',
      'get_vm',
      { vmid: 100, fields: 'snapshots,description' },
      'fields.0 must be one of notes, snapshots, raw_config, firewall, tasks, changes, backups, description.',
    ],
    ['a truth for a list', 'get_vm', { vmid: 100, fields: true }, 'fields must be a list.'],
    ['a list too long, with a wrong item', 'get_vm', { vmid: 100, fields: '[1,2' }, 'fields must be a list.'],
    ['broken JSON for a list', 'stop_vm', { vmids: '[100,' }, 'vmids must be a list.'],
    ['an object as text where a list is wanted', 'stop_vm', { vmids: '{}' }, 'vmids must be a list.'],
    ['null for what is required', 'snapshot_vm', { vmid: 100, snapshot: null }, 'snapshot must be text.'],
    ['a fraction for a text', 'create_vm', { name: 5.5 }, 'name must be text.'],
    ['a number that lost digits for a text', 'create_vm', { name: 2 ** 60 }, 'name must be text.'],
    ['a size below the least', 'create_vm', { name: 'x', cores: '0' }, 'cores must be at least 1.'],
    ['a word that is not one of the choices', 'create_vm', { name: 'x', bios: 'efi' }, 'bios must be one of seabios, ovmf.'],
  ])('%s is refused with the parameter and the rule', async (_what, operation, args, problem) => {
    expect(await world.refused(world.call(operation, args))).toMatchObject({
      code: 'invalid_arguments',
      message: `${operation}: ${problem}`,
    });
  });
});

describe('a schema as the guide of the reader', () => {
  it('leaves values that could be meant as they are', () => {
    const schema = z.strictObject({
      text: z.string().optional(),
      note: z.string().min(1).optional(),
      any: z.unknown(),
      n: z.int().nullable().optional(),
    });
    const given = { text: '', any: null, n: null };
    expect(coerce(schema, given)).toEqual(given);
    expect(coerce(schema, { text: '5', note: '', other: null })).toEqual({ text: '5', other: null });
  });
  it('leaves advertised schemas as they are: no operation advertises numbers as text', () => {
    for (const { input } of operations)
      expect(JSON.stringify(z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }))).not.toContain('anyOf');
  });
});

describe('an unknown parameter', () => {
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  it.each([
    ['create_vm', { name: 'x', memory: 256, memory_mb: 512 }, 'unknown parameter "memory_mb": did you mean memory?'],
    ['create_vm', { nmae: 'x' }, 'unknown parameter "nmae": did you mean name?'],
    ['create_vm', { name: 'x', size_gb: 5 }, 'unknown parameter "size_gb": did you mean disk_gb?'],
    ['create_vm', { name: 'x', user: 'ops' }, 'unknown parameter "user": did you mean cloud_init.user?'],
    ['create_vm', { name: 'x', cloud_init: { ssh_key: 'k' } }, 'unknown parameter "ssh_key" in cloud_init: did you mean sshkeys?'],
    ['create_vm', { name: 'x', dryRun: true }, 'unknown parameter "dryRun": did you mean dry_run?'],
    ['clone_template', { source_vmid: 9000, target_nodes: 'pve' }, 'unknown parameter "target_nodes": did you mean target_node?'],
    ['clone_template', { source_vmid: 9000, autostart: true }, 'unknown parameter "autostart": did you mean start?'],
    ['set_resources', { vmid: 100, memroy: 512 }, 'unknown parameter "memroy": did you mean memory?'],
    ['update_vm', { vmid: 100, memory: 512 }, 'unknown parameter "memory": use set_resources.'],
    ['update_vm', { vmid: 100, vcpus: 2 }, 'unknown parameter "vcpus": use set_resources.'],
    ['set_resources', { vmid: 100, nics: [{ nic: 'net0', link: false }] }, 'unknown parameter "nics": use update_vm.'],
    ['stop_vm', { vmid: 100, iso: 'none' }, 'unknown parameter "iso": use update_vm.'],
    ['get_vm', { id: 100 }, 'unknown parameter "id": did you mean vmid?'],
  ])('of %s %j is answered with the near one, and no list', async (operation, args, problem) => {
    const error = await world.refused(world.call(operation, args));
    expect(error).toMatchObject({ code: 'invalid_arguments', message: `${operation}: ${problem}` });
    expect(error.details).toBeUndefined();
  });

  it('like no other lists the parameters of its object, and of no other', async () => {
    const error = await world.refused(world.call('create_vm', { name: 'x', cloud_init: { colour: 'red' } }));
    expect(error.message).toBe('create_vm: unknown parameter "colour" in cloud_init.');
    expect(error.details?.parameters).toEqual(expect.arrayContaining(['user', 'sshkeys', 'ipconfig0']));
    expect(error.details?.parameters).not.toContain('cores');
  });

  it.each(['ipconfig32', 'ipconfig01'])('%s is not said to mean another network card', async (key) => {
    const error = await world.refused(world.call('create_vm', { name: 'x', cloud_init: { [key]: 'ip=dhcp' } }));
    expect(error.message).toBe(`create_vm: unknown parameter "${key}" in cloud_init.`);
  });

  it('never makes a dry run a real one', async () => {
    for (const dry of [{ dryrun: true }, { 'dry-run': true }, { dry_run: 'yes' }, { cloud_init: { dry_run: true } }])
      expect((await world.refused(world.call('create_vm', { name: 'x', ...dry }))).code).toBe('invalid_arguments');
    expect(world.cluster.mutations()).toEqual([]);
  });
});

describe('a guest by its name', () => {
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());
  const make = async (name: string) => (await world.done('create_vm', { name, disk_gb: 1 })).vmid as number;

  it('is found without regard to case, moments after it was made, and the audit names it with its VMID', async () => {
    const vmid = await make('web1');
    await world.done('start_vm', { name: 'Web1' });
    expect(await world.done('get_vm', { name: 'WEB1' })).toMatchObject({ vmid, name: 'web1', status: 'running' });
    expect(await world.done('set_resources', { name: 'web1', cores: 1 })).toMatchObject({ vmid });
    await world.call('stop_vm', { name: 'web1' }, { dryRun: true });
    const id = await world.asks('stop_vm', { name: 'web1' });
    expect(await world.done('list_approvals', {})).toMatchObject({
      approvals: [{ approval_id: id, summary: expect.stringContaining(`web1 (${vmid})`) }],
    });
    const lines = world.audit();
    expect(lines).toContainEqual(expect.objectContaining({ kind: 'read', operation: 'get_vm', args: { vmid, name: 'WEB1' } }));
    for (const kind of ['dry_run', 'approval'])
      expect(lines).toContainEqual(
        expect.objectContaining({ kind, args: { vmid, force: false }, target: expect.objectContaining({ vmid, name: 'web1' }) }),
      );
  });

  it('is the source of a clone by source_name, where name is that of the new guest', async () => {
    const named = await world.call('clone_template', { source_name: 'debian-12-template', name: 'copy' }, { dryRun: true });
    const numbered = await world.call('clone_template', { source_vmid: 9000, name: 'copy' }, { dryRun: true });
    expect(named).toEqual(numbered);
  });

  it('can be one of several', async () => {
    const vmids = [await make('web1'), await make('web2')];
    for (const vmid of vmids) await world.done('start_vm', { vmid });
    const planned = await world.call('stop_vm', { names: ['web2', 'WEB1'] }, { dryRun: true });
    expect(planned).toMatchObject({ plan: { targets: [{ vmid: vmids[1] }, { vmid: vmids[0] }] } });
  });

  it('that two guests have is an error with both', async () => {
    const vmid = await make('twin');
    const other = await make('other');
    await world.other().put(`/nodes/pve/qemu/${other}/config`, { name: 'twin' });
    // The list of the cluster follows a change of name late.
    await expect.poll(async () => (await world.done('list_vms', { name: 'twin' })).total, { timeout: 30_000 }).toBe(2);
    const error = await world.refused(world.call('stop_vm', { name: 'Twin' }));
    expect(error).toMatchObject({ code: 'ambiguous', message: `2 guests are called Twin: ${vmid}, ${other}.` });
    expect(error.details?.candidates).toEqual([
      expect.objectContaining({ vmid, node: 'pve' }),
      expect.objectContaining({ vmid: other, status: 'stopped' }),
    ]);
  });

  it('that is not there is an error with the near ones', async () => {
    await make('web1');
    expect(await world.refused(world.call('start_vm', { name: 'wbe1' }))).toMatchObject({
      code: 'guest_not_found',
      message: 'No guest called wbe1 is visible.',
      hint: 'Did you mean web1?',
    });
    expect(await world.refused(world.call('get_vm', { name: '100' }))).toMatchObject({
      hint: expect.stringContaining('looks like a VMID'),
    });
  });

  it('that is missing in a list is reported with all other missing ones', async () => {
    await make('web1');
    expect(await world.refused(world.call('stop_vm', { names: ['web1', 'nope', 'zip'] }))).toMatchObject({
      code: 'guest_not_found',
      message: 'No guests called nope, zip are visible.',
      details: { missing: ['nope', 'zip'] },
    });
  });

  it('and a VMID have to be one guest', async () => {
    const [one, two] = [await make('web1'), await make('web2')];
    expect(await world.done('get_vm', { vmid: one, name: 'web1' })).toMatchObject({ vmid: one });
    expect(await world.refused(world.call('delete_vm', { vmid: one, name: 'web2' }))).toMatchObject({
      code: 'conflict',
      message: `VMID ${one} is web1, but web2 is ${two}.`,
    });
  });

  it.each([
    ['get_vm', 'get_vm: give vmid or name.'],
    ['delete_vm', 'delete_vm: give vmid or name.'],
    ['clone_template', 'clone_template: give source_vmid or source_name.'],
    ['stop_vm', 'stop_vm needs vmid or name, or vmids or names for several guests.'],
  ])('or its VMID is needed by %s', async (operation, message) => {
    expect(await world.refused(world.call(operation, {}))).toMatchObject({ code: 'invalid_arguments', message });
  });

  it('outside of a token’s scope does not exist', async () => {
    await make('web1');
    const limited = {
      ...agent,
      principal: 'token:ci',
      owner: 'ci',
      channel: 'http' as const,
      role: 'operator' as const,
      scope: { pools: ['agents'] },
    };
    expect((await world.refused(world.call('get_vm', { name: 'web1' }, {}, limited))).code).toBe('guest_not_found');
  });

  it('is not looked up for a dry run of a read, which sends nothing', async () => {
    expect(await world.call('get_vm', { name: 'web1' }, { dryRun: true })).toMatchObject({
      requests: expect.arrayContaining(['GET /nodes/{node}/{type}/{vmid}/pending']),
    });
  });
});

describe('a text that reaches Proxmox', () => {
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  it.each<[string, object]>([
    ['cloud_init.user', { cloud_init: { user: 'root\nssh_pwauth: true' } }],
    ['cloud_init.user', { cloud_init: { user: 'ro\u0000ot' } }],
    ['cloud_init.password', { cloud_init: { password: 'hunter2\nmore' } }],
    ['cloud_init.searchdomain', { cloud_init: { searchdomain: 'lan\r\nnameserver 6.6.6.6' } }],
    ['cloud_init.searchdomain', { cloud_init: { searchdomain: 'lan\u2028x' } }],
    ['cloud_init.nameserver', { cloud_init: { nameserver: '1.1.1.1\n9.9.9.9' } }],
    ['cloud_init.ipconfig0', { cloud_init: { ipconfig0: 'ip=dhcp\n' } }],
    ['cloud_init.ipconfig7', { cloud_init: { ipconfig7: 'ip=dhcp\u0000' } }],
    ['cloud_init.sshkeys', { cloud_init: { sshkeys: `${KEY}\u0000` } }],
    ['description', { description: 'a\u0000b' }],
    ['description', { description: 'a\u001b[31mb' }],
    ['iso', { iso: 'local:iso/x\u0000.iso' }],
    ['name', { name: 'web\n1' }],
    ['pool', { pool: 'a\n' }],
    ['tags.0', { tags: ['a\n'] }],
  ])('is refused with control characters: %s of %j', async (parameter, args) => {
    const refused = await world.refused(world.call('create_vm', { name: 'texts', disk_gb: 1, ...args }));
    expect(refused).toMatchObject({ code: 'invalid_arguments', message: expect.stringContaining(`create_vm: ${parameter}`) });
    expect(refused.message).not.toMatch(/hunter2/);
    expect(world.cluster.mutations()).toEqual([]);
  });

  it('keeps the line breaks of notes and keys', async () => {
    const description = 'first\n\tsecond\r\nthird';
    await world.done('create_vm', { name: 'texts', disk_gb: 1, description, cloud_init: { sshkeys: `${KEY}\r\n${KEY}\n` } });
    expect(world.cluster.mutations()[0]?.params).toMatchObject({ description });
  });
});
