import { afterEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors/catalogue.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import type { ApiChange, ApiRead, Operation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';
import { PLACES, type Place, type Right, rightsOf, roleFor } from '../../src/operations/rights.ts';
import { argsOf, openWith } from '../helpers/example.ts';
import { tokenWithRole } from '../helpers/rights.ts';
import { agent, type World } from '../helpers/world.ts';

// The generated roles on the embedded cluster, which has its own knowledge of the rights.

/** Refusals that are neither a missing guest nor a missing right to the token: what the call starts from is invisible, or the new guest would be. */
const CODES: Record<string, ErrorCode> = {
  'create_vm VM.Audit': 'permission_denied',
  'create_container VM.Audit': 'permission_denied',
  'restore_backup VM.Audit': 'permission_denied',
  'restore_backup VM.Backup': 'not_possible',
  'restore_backup Datastore.AllocateSpace': 'not_possible',
  'delete_volume VM.Audit': 'permission_denied',
};

let world: World;
afterEach(() => world?.close());

/** An engine whose token has these rights at every place. */
async function engineWith(name: string, rights: readonly Right[]) {
  world = await openWith(name);
  const on = (place: Place) => [...new Set(rights.filter((right) => right.on === place).map(({ anyOf: [first = ''] }) => first))];
  const role = Object.fromEntries(PLACES.map((place) => [place, on(place)])) as Record<Place, string[]>;
  const token = await tokenWithRole(world.cluster, role);
  return world.another({ connection: world.cluster.connection(token) });
}

/** The call up to its end, with the approval that it may ask for. */
async function through(engine: Awaited<ReturnType<typeof engineWith>>, { name }: Operation, args: JsonObject) {
  const result = await engine.perform(name, args, agent, { wait: 'end' });
  if (result.kind !== 'approval_required') return result;
  return engine.perform('approve', { approval_id: result.approval.id }, agent, { wait: 'end' });
}

const onCluster = operations.filter(({ effect }) => effect !== 'control');
const changing = onCluster.filter((operation) => 'plan' in operation);
/** An operation for any method needs the rights of the method that is called: here that of its example. */
const called = (one: Operation): Parameters<typeof rightsOf>[0] => {
  const method = String(one.example?.method);
  if (one.anyBut === undefined) return one;
  return method.startsWith('GET ') ? { reads: [method as ApiRead] } : { sends: { [method as ApiChange]: ['poolid'] } };
};
const rights = new Map(await Promise.all(onCluster.map(async (one) => [one.name, await rightsOf(called(one))] as const)));
const needsOf = ({ name }: Operation): Right[] => rights.get(name)?.needs ?? [];

describe.each(onCluster.map((one): [string, Operation] => [one.name, one]))('%s', (_name, operation) => {
  it('runs its example with the rights that it needs, and no others', async () => {
    expect(await through(await engineWith(operation.name, needsOf(operation)), operation, operation.example ?? {})).toMatchObject({
      kind: 'done',
    });
  });
});

const each = (list: readonly Operation[]) =>
  list.flatMap((operation) =>
    needsOf(operation).map((right): [string, string, Operation, Right] => [operation.name, right.anyOf.join(' or '), operation, right]),
  );

it.each(each(changing))('%s says that %s is missing, before anything is sent', async (_name, _privilege, operation, gone) => {
  const { needs = [], more = [] } = rights.get(operation.name) ?? {};
  const engine = await engineWith(
    operation.name,
    [...needs, ...more].filter((right) => right !== gone),
  );
  const before = world.cluster.mutations().length;
  const error = await world.refused(engine.perform(operation.name, argsOf(operation), agent, { wait: 'end' }));
  const [first = ''] = gone.anyOf;
  // A guest that does not exist looks the same to a token without VM.Audit.
  expect([error.code, `${error.message} ${error.hint}`]).toEqual([
    CODES[`${operation.name} ${first}`] ?? (first === 'VM.Audit' ? 'guest_not_found' : 'permission_denied'),
    expect.stringContaining(first),
  ]);
  expect(world.cluster.mutations()).toHaveLength(before);
  expect(JSON.stringify(await engine.perform('list_approvals', { status: 'pending' }, agent))).not.toContain('apr_');
});

it.each(each(onCluster.filter(({ effect }) => effect === 'read')))(
  '%s says that %s is missing',
  async (name, privilege, operation, gone) => {
    const { needs = [], more = [] } = rights.get(name) ?? {};
    const engine = await engineWith(
      name,
      [...needs, ...more].filter((right) => right !== gone),
    );
    const answer = await engine
      .perform(name, argsOf(operation), agent)
      .then(JSON.stringify, (thrown) => `${thrown.message} ${thrown.hint}`);
    expect(answer).toContain(privilege);
  },
);

it.each([
  ['get_vm', 'VM.GuestAgent.Audit', { vmid: 100 }],
  ['start_vm', 'Sys.Audit', { vmid: 105 }],
  ['set_resources', 'Sys.Audit', { vmid: 105, cores: 2 }],
  ['create_vm', 'Sys.Audit', { name: 'one' }],
  ['clone_template', 'Sys.Audit', { source_vmid: 9000, name: 'one' }],
  ['clone_template', 'VM.Migrate', { source_vmid: 9000, name: 'one', target_node: 'pve2', storage: 'nas' }],
  ['delete_vm', 'VM.Backup', { vmid: 104 }],
  ['delete_vm', 'VM.Config.Disk', { vmid: 104 }],
  ['delete_vm', 'Datastore.Audit', { vmid: 104 }],
  ['list_vms', 'Pool.Audit', { pool: 'agents' }],
  ['update_vm', 'VM.Config.CDROM', { vmid: 105, iso: 'local:iso/debian-12.iso' }],
])('%s without %s, with which it does or tells more, says so', async (name, privilege, args) => {
  const { needs = [], more = [] } = rights.get(name) ?? {};
  const gone = more.find(({ anyOf }) => anyOf.includes(privilege));
  expect(gone).toBeDefined();
  const engine = await engineWith(
    name,
    [...needs, ...more].filter((right) => right !== gone),
  );
  const { effect } = operations.find((one) => one.name === name) ?? {};
  const answer = await engine
    .perform(name, args, agent, effect === 'read' ? {} : { dryRun: true })
    .then(JSON.stringify, (thrown) => `${thrown.message} ${thrown.hint}`);
  expect(answer).toContain(privilege);
});

it('a role for all operations is the sum of their rights, each privilege once', async () => {
  const role = await roleFor(onCluster, 'everything');
  for (const [, , , { on, anyOf }] of each(onCluster)) expect(anyOf.some((privilege) => role[on].includes(privilege))).toBe(true);
  for (const place of PLACES) expect(role[place]).toEqual([...new Set(role[place])].sort());
});
