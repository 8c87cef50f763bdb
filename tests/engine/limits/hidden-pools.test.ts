import { afterEach, describe, expect, it } from 'vitest';
import { clusterView } from '../../../src/console/cluster.ts';
import { type Reader, readersOf } from '../../../src/console/read.ts';
import type { Policy, PolicyRule } from '../../../src/core/settings/policy.ts';
import type { LimitSettings, Settings } from '../../../src/core/settings/settings.ts';
import type { Session } from '../../../src/engine/session.ts';
import { createGauges } from '../../../src/http/gauges.ts';
import { asRoot, pveum, roleOf, tokenWith } from '../../helpers/rights.ts';
import { agent, openWorld, operator, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const GUEST = ['VM.Allocate', 'VM.Audit', 'VM.Clone', 'VM.PowerMgmt'].concat(
  ['CPU', 'Disk', 'HWType', 'Memory', 'Network', 'Options'].map((what) => `VM.Config.${what}`),
);
const limits = (over: Partial<LimitSettings>): { limits: LimitSettings } => ({
  limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'pool', pool: 'agents' }, ...over },
});
const rules = (...list: Partial<PolicyRule>[]): { policy: Policy } => ({
  policy: { rules: list.map((rule) => ({ match: { pool: ['agents'] }, never: false, ...rule })), perHour: {} },
});

/** An engine whose token may do everything with the guests of the pool but see that they are in it. */
async function blind(settings: Partial<Settings>) {
  world = await openWorld();
  const storage = ['Datastore.AllocateSpace', 'Datastore.Audit'];
  const rights = {
    '/pool/agents': GUEST,
    '/vms/103': GUEST,
    '/storage/local-lvm': storage,
    '/sdn/zones/localnetwork/vmbr0': ['SDN.Use'],
    '/nodes/pve': ['Sys.Audit'],
  };
  const token = await tokenWith(world.cluster, rights);
  const open = (more: Partial<Settings> = {}) => {
    const engine = world.another({ ...settings, ...more }, { token });
    return {
      engine,
      call: (operation: string, args: object, options = {}) => engine.perform(operation, args, agent, { wait: 'end', ...options }),
    };
  };
  return {
    open,
    ...open(),
    see: () => pveum(world.cluster, "pveum role modify ROLE --append --privs 'Pool.Audit'", roleOf('/pool/agents')),
  };
}

describe('a guest whose pool the token may not see', () => {
  it('is one that may never be touched, until the token sees where it is', async () => {
    const { call, see } = await blind(rules({ never: true }));
    for (const [operation, args] of [
      ['delete_vm', { vmid: 104 }],
      ['stop_vm', { vmid: 103 }],
    ] as const) {
      const refused = await world.refused(call(operation, args));
      expect(refused).toMatchObject({ code: 'forbidden_by_policy', hint: expect.stringContaining('Pool.Audit on /pool/agents') });
    }
    expect(world.cluster.mutations().filter(({ path }) => path.startsWith('/nodes/'))).toEqual([]);
    await see();
    const refused = await world.refused(call('delete_vm', { vmid: 104 }));
    expect(refused).toMatchObject({ code: 'forbidden_by_policy', hint: expect.not.stringContaining('Pool.Audit') });
    // In no pool, as is seen now.
    expect(await call('stop_vm', { vmid: 103, force: true })).toMatchObject({ kind: 'approval_required' });
  });

  it('stays hidden where the right does not reach the nested pools', async () => {
    const { call } = await blind(rules({ never: true }));
    await asRoot(world.cluster, 'POST', '/access/roles', { roleid: 'Shallow', privs: [...GUEST, 'Pool.Audit'].join(',') });
    const shallow = { path: '/pool/agents', roles: 'Shallow', users: 'limited@pve', tokens: 'limited@pve!agent', propagate: '0' };
    await asRoot(world.cluster, 'PUT', '/access/acl', { ...shallow, roles: roleOf('/pool/agents'), delete: '1' });
    await asRoot(world.cluster, 'PUT', '/access/acl', shallow);
    expect(await world.refused(call('stop_vm', { vmid: 103 }))).toMatchObject({ code: 'forbidden_by_policy' });
  });

  it('is decided as in the pool: by a human, by two people, not twice in a row', async () => {
    const { call, open } = await blind(rules({ method: 'human', approvals: 2 }));
    expect(await call('start_vm', { vmid: 104 })).toMatchObject({ kind: 'approval_required', approval: { method: 'human', needed: 2 } });
    const paced = open(rules({ cooldown: 600 }));
    const asked = await paced.call('stop_vm', { vmid: 103, force: true });
    if (asked.kind !== 'approval_required') throw new Error('not asked');
    await paced.call('deny', { approval_id: asked.approval.id });
    expect(await world.refused(paced.call('stop_vm', { vmid: 103, force: true }))).toMatchObject({ code: 'rate_limited' });
  });

  it('is not one of those to which changes are limited', async () => {
    const { call, see } = await blind({ policy: { rules: [], perHour: {}, only: { tags: [], pools: ['agents'], created: false } } });
    expect(await world.refused(call('start_vm', { vmid: 104 }))).toMatchObject({
      code: 'forbidden_by_policy',
      hint: expect.stringContaining('Pool.Audit on /pool/agents'),
    });
    await see();
    expect(await call('start_vm', { vmid: 104 })).toMatchObject({ kind: 'done' });
  });

  it('is in no scope and under no standing approval', async () => {
    const { call, engine, see } = await blind({ approval: { mode: 'human', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
    await engine.standing.create({ operations: ['stop_vm'], pool: 'agents', uses: 5, minutes: 5, raised: true }, operator());
    await see();
    await call('start_vm', { vmid: 104 });
    await asRoot(world.cluster, 'PUT', `/access/roles/${roleOf('/pool/agents')}`, { privs: GUEST.join(',') });
    expect(await call('stop_vm', { vmid: 104, force: true })).toMatchObject({ kind: 'approval_required' });
    const scoped = engine.perform('start_vm', { vmid: 104 }, { ...agent, scope: { pools: ['agents'] } });
    expect(await world.refused(scoped)).toMatchObject({ code: 'guest_not_found' });
    await see();
    expect(await call('stop_vm', { vmid: 104, force: true })).toMatchObject({ kind: 'done' });
  });

  it('makes a limit on the guests of the pool refuse instead of counting none', async () => {
    const { call, engine, see } = await blind(limits({ maxVms: 2, maxTotalRamMib: 2_000 }));
    const create = { name: 'third', disk_gb: 1, memory: 64, pool: 'agents' };
    for (const options of [{}, { dryRun: true }])
      expect(await world.refused(call('create_vm', create, options))).toMatchObject({
        code: 'quota_exceeded',
        message: expect.stringContaining('Pool.Audit on /pool/agents'),
      });
    expect(await world.refused(call('set_resources', { vmid: 104, memory: 1_500 }))).toMatchObject({ code: 'quota_exceeded' });
    const gauges = async () => (await createGauges({ engine } as Session)()).map(({ name }) => name);
    expect((await engine.quotas()).hiddenPool).toBe('agents');
    expect(await gauges()).not.toContain('proxmox_mcp_quota_used');
    const quotas = async () => (await clusterView(engine, readersOf(engine, agent)[0] as Reader, limits({ maxVms: 2 }).limits)).quotas;
    expect(await quotas()).toBeUndefined();
    await see();
    expect((await engine.quotas()).quotas[0]).toMatchObject({ size: 'guests', limit: 2, used: 2, left: 0 });
    expect(await gauges()).toContain('proxmox_mcp_quota_used');
    expect(await quotas()).toContainEqual({ label: 'Guests', unit: '', used: 2, limit: 2, variable: 'PROXMOX_MAX_VMS' });
    expect(await world.refused(call('create_vm', create))).toMatchObject({
      code: 'quota_exceeded',
      message: expect.stringContaining('guests 2 + 1 > '),
    });
    expect(world.cluster.mutations().filter(({ path }) => path.includes('/nodes/'))).toEqual([]);
  });

  it('costs no request where every guest is listed with its pool', async () => {
    world = await openWorld(rules({ match: { pool: ['prod'] }, method: 'human' }));
    await world.asks('stop_vm', { vmid: 100 });
    const asked = world.cluster.requests.filter(({ path }) => path === '/access/permissions').map(({ params }) => params.path);
    expect(asked.filter((path) => String(path).startsWith('/pool/'))).toEqual([]);
  });
});
