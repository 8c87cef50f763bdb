import { describe, expect, it } from 'vitest';
import type { Caller, Role, Scope } from '../../../src/core/people/caller.ts';
import type { Plan } from '../../../src/core/plan/plan.ts';
import type { RunRecord } from '../../../src/core/plan/run.ts';
import type { ProxmoxReader } from '../../../src/core/proxmox.ts';
import { checkRole, seesAllApprovals } from '../../../src/engine/limits/roles.ts';
import {
  checkPlanScope,
  checkTaskScope,
  guestInScope,
  isForeign,
  describe as named,
  planOutOfScope,
  readerInScope,
  withScopeDefaults,
} from '../../../src/engine/limits/scope.ts';
import { roleAllows } from '../../../src/operations/available.ts';
import { operations } from '../../../src/operations/index.ts';
import { listGuests } from '../../../src/proxmox/guest/guests.ts';

const rows = [
  { vmid: 101, type: 'qemu', node: 'pve', name: 'mine', status: 'running', pool: 'agents', tags: 'Web;prod' },
  { vmid: 102, type: 'qemu', node: 'pve', name: 'nested', status: 'running', pool: 'agents/ci' },
  { vmid: 103, type: 'lxc', node: 'pve', name: 'theirs', status: 'running', pool: 'agents2', tags: 'web' },
  { vmid: 104, type: 'qemu', node: 'pve', name: 'nobodys', status: 'running' },
  { type: 'node', node: 'pve', status: 'online' },
];
function reader(): ProxmoxReader & { asked: string[] } {
  const asked: string[] = [];
  return {
    cluster: 'c',
    asked,
    version: async () => ({ version: '9.2', major: 9, minor: 2 }),
    get: async <T>(path: string) => {
      asked.push(path);
      return (path === '/cluster/resources' ? rows : { path }) as T;
    },
  };
}
/** When the guests were made. */
const unknown = async () => new Map();
const seen = async (scope: Scope) => (await listGuests(readerInScope(reader(), scope, unknown))).map((guest) => guest.vmid);

const plan = (change: Partial<Plan>): Plan => ({
  operation: 'x',
  summary: 'x',
  effect: 'change',
  steps: [],
  expected: [],
  choices: [],
  warnings: [],
  undo: '',
  ...change,
});
const target = (vmid: number) => ({ vmid }) as NonNullable<Plan['target']>;
const request = (params: Record<string, string>, path = '/nodes/pve/qemu') =>
  ({ kind: 'request', id: 'r', method: 'POST', path, params, purpose: '' }) as const;
const demand = {
  newGuests: 1,
  vmid: 200,
  after: { cpu: 1, memoryMib: 1, diskGib: 1 },
  before: { cpu: 0, memoryMib: 0, diskGib: 0 },
} as const;

describe('the guests that a scope shows', () => {
  it.each<[string, Scope, number[]]>([
    ['a pool with those nested in it, and none whose name only begins alike', { pools: ['agents'] }, [101, 102]],
    ['several pools', { pools: ['agents/ci', 'agents2'] }, [102, 103]],
    ['a tag, whatever its case', { tags: ['WEB'] }, [101, 103]],
    ['pool and tag: both must fit', { pools: ['agents'], tags: ['web'] }, [101]],
    ['a pool that does not exist', { pools: ['x'] }, []],
    ['an empty list: none', { pools: [] }, []],
  ])('%s', async (_case, scope, vmids) => expect(await seen(scope)).toEqual(vmids));

  it('leaves lines that are not guests as they are', async () => {
    const all = await readerInScope(reader(), { pools: ['x'] }, unknown).get<unknown[]>('/cluster/resources');
    expect(all).toHaveLength(1);
  });

  it('answers a request about a foreign guest as about one that does not exist, and sends none', async () => {
    const api = reader();
    const scoped = readerInScope(api, { pools: ['agents'] }, unknown);
    for (const path of ['/nodes/pve/lxc/103/pending', '/nodes/pve/qemu/104', '/nodes/pve/qemu/999/status/current'])
      await expect(scoped.get(path), path).rejects.toMatchObject({ code: 'guest_not_found' });
    expect(api.asked.filter((path) => path !== '/cluster/resources')).toEqual([]);
    expect(await scoped.get('/nodes/pve/qemu/101/pending')).toEqual({ path: '/nodes/pve/qemu/101/pending' });
  });
});

describe('the parts of storages that a scope shows', () => {
  const volumes = [{ volid: 'iso' }, { volid: 'image', vmid: null }, { volid: 'own', vmid: '101' }, { volid: 'foreign', vmid: 103 }];
  const storage = (answer: unknown): ProxmoxReader => ({
    cluster: 'c',
    version: async () => ({ version: '9.2', major: 9, minor: 2 }),
    get: async <T>(path: string) => (path === '/cluster/resources' ? rows : answer) as T,
  });
  const shown = (path: string, answer: unknown = volumes) => readerInScope(storage(answer), { pools: ['agents'] }, unknown).get(path);

  it('the volumes of own guests and those without an owner', async () => {
    expect(await shown('/nodes/pve-1/storage/local-lvm/content')).toEqual(volumes.slice(0, 3));
  });
  it('other lists as they are: only the content of a storage lists volumes', async () => {
    for (const path of [
      '/nodes/pve/storage',
      '/nodes/pve/storage/local/content/x',
      '/nodes/pve/storage/a/b/content',
      '/x/nodes/pve/storage/local/content',
      '/nodes/a/b/storage/local/content',
    ])
      expect(await shown(path), path).toEqual(volumes);
    expect(await shown('/version', { release: '9.2' })).toEqual({ release: '9.2' });
  });
  it('no guest by a path that only ends alike', async () => {
    expect(await shown('/x/nodes/pve/qemu/103/config')).toEqual(volumes);
  });
  it('the version of the cluster', async () => {
    expect(await readerInScope(reader(), { pools: ['x'] }, unknown).version()).toMatchObject({ major: 9 });
  });
});

describe('the plans that stay in the scope', () => {
  const guests = () => listGuests(reader());
  const scope = { pools: ['agents'] };
  it.each<[string, Plan, string | undefined]>([
    ['an own guest', plan({ target: target(101) }), undefined],
    ['a foreign guest', plan({ target: target(103) }), 'guest 103'],
    ['a guest in no pool', plan({ target: target(104) }), 'guest 104'],
    ['a foreign guest among own ones', plan({ target: target(101), targets: [target(101), target(103)] }), 'guest 103'],
    ['an own guest moved to a foreign pool', plan({ target: target(101), steps: [request({ pool: 'agents2' })] }), 'pool agents2'],
    [
      'the same through the pool itself',
      plan({ target: target(101), steps: [request({ poolid: 'agents2', vms: '101' }, '/pools')] }),
      'pool agents2',
    ],
    ['a new guest in the own pool', plan({ demand, steps: [request({ pool: 'agents' })] }), undefined],
    ['a new guest in a foreign pool', plan({ demand, steps: [request({ pool: 'agents2' })] }), 'pool agents2'],
    ['a guest whose disks are copied', plan({ target: target(101), sources: [{ vmid: 103, template: false }] }), 'guest 103, whose'],
    ['an own guest whose disks are copied', plan({ target: target(101), sources: [{ vmid: 102, template: true }] }), undefined],
    ['a copied guest that is not listed', plan({ target: target(101), sources: [{ vmid: 999, template: true }] }), 'guest 999, whose'],
    [
      'an own guest that grows, without a word about its pool',
      plan({ target: target(101), demand: { ...demand, newGuests: 0 } }),
      undefined,
    ],
    ['a new guest made for an own one', plan({ target: target(101), demand }), undefined],
    ['a plan about no guest', plan({}), undefined],
    ['one that makes no guest', plan({ demand: { ...demand, newGuests: 0 } }), undefined],
    [
      'a step that sends nothing',
      plan({ target: target(101), steps: [{ kind: 'check', id: 'c', purpose: '', params: { pool: 'agents2' } } as never] }),
      undefined,
    ],
    ['a new guest in no pool', plan({ demand, steps: [request({ name: 'x' })] }), 'the new guest'],
  ])('%s', async (_case, candidate, reason) => {
    const found = planOutOfScope(candidate, await guests(), scope);
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(reason);
  });

  it('requires the tag on a new guest', async () => {
    const tagged = (tags: string) => plan({ demand, steps: [request({ name: 'x' }), request({ tags })] });
    expect(planOutOfScope(tagged('db;web'), await guests(), { tags: ['web'] })).toBeUndefined();
    expect(planOutOfScope(tagged('db'), await guests(), { tags: ['web'] })).toContain('the new guest');
  });

  it('takes a guest with one of its tags, however the list is written', async () => {
    for (const tags of ['db;web', 'db, web', 'web']) {
      const made = plan({ demand, steps: [request({ tags })] });
      expect(planOutOfScope(made, await guests(), { tags: ['x', 'web'] }), tags).toBeUndefined();
    }
    expect(guestInScope({}, { tags: ['web'] })).toBe(false);
    await expect(checkPlanScope(plan({ target: target(101) }), scope, reader())).resolves.toBeUndefined();
  });

  it('hides runs of other principals about foreign guests, and no others', async () => {
    const about = (vmid: number, principal = 'other') => ({ principal, plan: plan({ target: target(vmid) }) }) as RunRecord;
    const me = { principal: 'me', scope };
    expect(isForeign(about(103), me, await guests())).toBe(true);
    expect(isForeign(about(101), me, await guests())).toBe(false);
    expect(isForeign(about(103, 'me'), me, await guests())).toBe(false);
    expect(isForeign(about(103), { principal: 'me' }, await guests())).toBe(false);
  });

  it('is named in refusals', () => {
    expect(named({ pools: ['a', 'b'], tags: ['t'] })).toBe('pool a or b and tag t');
    expect(named({ tags: ['t'] })).toBe('tag t');
    expect(named({ pools: ['a'] })).toBe('pool a');
  });

  it('refuses by policy, and reads nothing for callers without a scope', async () => {
    const api = reader();
    await checkPlanScope(plan({ target: target(103) }), undefined, api);
    expect(api.asked).toEqual([]);
    await expect(checkPlanScope(plan({ target: target(103) }), scope, api)).rejects.toMatchObject({ code: 'forbidden_by_policy' });
  });

  it('shows tasks of own guests alone', async () => {
    const upid = (id: string) => `UPID:pve:00001234:00005678:6900ABCD:qmstart:${id}:root@pam:`;
    await checkTaskScope(upid('101'), scope, reader(), unknown);
    for (const id of ['103', '', 'local-lvm'])
      await expect(checkTaskScope(upid(id), scope, reader(), unknown), id).rejects.toMatchObject({ code: 'task_unknown' });
  });
});

describe('what is older than its guest belongs to a former guest of the VMID', () => {
  const scope = { pools: ['agents'] };
  const born = 0x69_00_ab_cd;
  const bornAt = async (vmids: readonly number[]) => new Map(vmids.map((vmid) => [vmid, { at: born, runId: 'run_1' }]));
  const lists = (answer: unknown): ProxmoxReader => ({
    ...reader(),
    get: async <T>(path: string) => (path === '/cluster/resources' ? rows : answer) as T,
  });
  it('a task', async () => {
    const upid = (started: number) => `UPID:pve:00001234:00005678:${started.toString(16).toUpperCase()}:vzdump:101:root@pam:`;
    await checkTaskScope(upid(born), scope, reader(), bornAt);
    await expect(checkTaskScope(upid(born - 1), scope, reader(), bornAt)).rejects.toMatchObject({ code: 'task_unknown' });
    const [older, own] = [born - 1, born].map((starttime) => ({ id: '101', starttime }));
    const [foreign, download] = ['103', 'debian.iso'].map((id) => ({ id, starttime: born }));
    const found = readerInScope(lists([older, own, foreign, download]), scope, bornAt).get('/nodes/pve/tasks');
    expect(await found).toEqual([own, download]);
  });
  it('a backup, and not a disk: an import keeps the time of its image', async () => {
    const volume = (content: string, ctime: number) => ({ volid: `nas:${content}`, content, ctime, vmid: 101 });
    const [older, own, disk] = [volume('backup', born - 1), volume('backup', born), volume('images', born - 1)];
    const found = readerInScope(lists([older, own, disk]), scope, bornAt).get('/nodes/pve/storage/nas/content');
    expect(await found).toEqual([own, disk]);
  });
});

describe('the pool and tag that a new guest gets from the scope', () => {
  const create = operations.find((operation) => operation.name === 'create_vm');
  const list = operations.find((operation) => operation.name === 'list_vms');
  if (!create || !list) throw new Error('operations are missing');
  it('the only pool and the only tag, unless the caller says otherwise', () => {
    expect(withScopeDefaults(create, { name: 'a' }, { pools: ['p'], tags: ['t'] })).toEqual({ name: 'a', pool: 'p', tags: ['t'] });
    expect(withScopeDefaults(create, { name: 'a', pool: 'q' }, { pools: ['p'] })).toEqual({ name: 'a', pool: 'q' });
    expect(withScopeDefaults(create, { name: 'a' }, { pools: ['p', 'q'] })).toEqual({ name: 'a' });
    expect(withScopeDefaults(create, { name: 'a' }, undefined)).toEqual({ name: 'a' });
    expect(withScopeDefaults(create, { name: 'a' }, { tags: ['t'] })).toStrictEqual({ name: 'a', tags: ['t'] });
    expect(withScopeDefaults(create, { name: 'a' }, { pools: ['p'] })).toStrictEqual({ name: 'a', pool: 'p' });
  });
  it('nothing for operations that make none: a filter stays as it was', () => {
    expect(withScopeDefaults(list, {}, { pools: ['p'] })).toEqual({});
  });
});

describe('roles', () => {
  const reading = ['get_task', 'get_vm', 'list_approvals', 'list_vms'];
  it.each<[Role | undefined, (name: string) => boolean]>([
    [undefined, () => true],
    ['operator', () => true],
    ['viewer', (name) => reading.includes(name)],
    ['approver', (name) => reading.includes(name)],
  ])('%s', (role, expected) => {
    for (const operation of operations.filter((o) => o.effect !== 'read' || reading.includes(o.name)))
      expect(roleAllows(role, operation), operation.name).toBe(expected(operation.name));
  });

  const caller = (change: Partial<Caller>): Caller => ({
    principal: 'p',
    owner: 'o',
    channel: 'http',
    canAsk: { elicitation: false, terminal: false },
    isOperator: false,
    ...change,
  });
  const approve = operations.find((operation) => operation.name === 'approve');
  it('an approver decides in a console session, and never with a bearer token', () => {
    if (!approve) throw new Error('approve is missing');
    expect(() => checkRole(caller({ role: 'approver' }), approve)).toThrow('does not include approve');
    expect(() => checkRole(caller({ role: 'approver', channel: 'console', isOperator: true }), approve)).not.toThrow();
  });
  it('an approver sees all approvals, an operator their own', () => {
    expect(seesAllApprovals(caller({ role: 'approver' }))).toBe(true);
    expect(seesAllApprovals(caller({ role: 'operator' }))).toBe(false);
    expect(guestInScope({}, {})).toBe(true);
  });
});
