import { afterEach, describe, expect, it } from 'vitest';
import type { Policy } from '../../src/core/settings/policy.ts';
import type { Settings } from '../../src/core/settings/settings.ts';
import { TOOLSETS, type Toolset } from '../../src/core/settings/toolset.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import type { Operation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';
import { PLACES, type Place, rightsOf, roleFor } from '../../src/operations/rights.ts';
import { argsOf, openWith } from '../helpers/example.ts';
import { tokenWithRole } from '../helpers/rights.ts';
import { agent, type World } from '../helpers/world.ts';

// The role that `docs/rights.md` and `doctor` give for each toolset, on the embedded cluster, which has its own knowledge of the rights.

/** Calls of the toolset api need the rights of the method that they name: it has no role. */
const WITH_ROLE = TOOLSETS.filter((toolset) => toolset !== 'api');
const toolsets = await Promise.all(
  WITH_ROLE.map(async (toolset) => {
    const all = operations.filter((one) => one.toolset === toolset && one.effect !== 'control');
    return { toolset, all, role: await roleFor(all, 'everything') };
  }),
);
type Role = Record<Place, string[]>;

let world: World;
afterEach(() => world?.close());

async function engineWith(role: Role, { name, settings = {}, host, first }: Omit<Call, 'args'>) {
  world = await openWith(name, settings);
  if (first) await world.done(first.name, first.args);
  const token = await tokenWithRole(world.cluster, role);
  const connection = world.cluster.connection(token);
  const endpoints = host === undefined ? connection.endpoints : [{ host, port: 8006 }];
  return world.another({ ...settings, connection: { ...connection, endpoints } });
}

describe.each(toolsets)('the role of the toolset $toolset', ({ all, role }) => {
  it.each(all.map((one): [string, Operation] => [one.name, one]))('suffices for %s', async (name, operation) => {
    const engine = await engineWith(role, { name });
    const result = await engine.perform(name, argsOf(operation), agent, { wait: 'end' });
    const asked = result.kind === 'approval_required' ? result.approval.id : undefined;
    const last = asked === undefined ? result : await engine.perform('approve', { approval_id: asked }, agent, { wait: 'end' });
    expect(last.kind).toBe('done');
  });
});

interface Call {
  name: string;
  args: JsonObject;
  settings?: Partial<Settings>;
  /** Where the API is said to be reached. */
  host?: string;
  /** A call before it, with every right. */
  first?: Pick<Call, 'name' | 'args'>;
}

/** The pool of a guest counts where a rule of the policy names it. */
const NOT_IN_PROD: Policy = { rules: [{ match: { pool: ['prod'] }, never: true }], perHour: {} };

/** Calls for privileges without which operations do or tell less. */
const MORE: Record<string, Call> = {
  'everyday guests Pool.Audit': { name: 'list_vms', args: { pool: 'agents' } },
  'everyday guests Pool.Allocate': { name: 'update_vm', args: { vmid: 105, pool: 'none' } },
  'everyday guests VM.Config.CDROM': { name: 'update_vm', args: { vmid: 105, iso: 'local:iso/debian-12.iso' } },
  'everyday guests VM.Config.Cloudinit': {
    ...{ name: 'update_vm', args: { vmid: 105, cloud_init: { user: 'x' } } },
    first: { name: 'start_vm', args: { vmid: 105 } },
  },
  'everyday guests VM.GuestAgent.Audit': { name: 'get_vm', args: { vmid: 100 } },
  'everyday storages Datastore.Audit': { name: 'delete_vm', args: { vmid: 104 } },
  'everyday nodes Sys.Audit': { name: 'start_vm', args: { vmid: 105 } },
  'everyday cluster Sys.Audit': { name: 'get_cluster', args: { sections: ['ha'] } },
  'rare guests Pool.Audit': { name: 'convert_to_template', args: { vmid: 105 }, settings: { policy: NOT_IN_PROD } },
  'rare guests VM.Config.Disk': { name: 'suspend_vm', args: { vmid: 101, to_disk: true } },
  'firewall guests VM.GuestAgent.Audit': { name: 'update_firewall', args: { vmid: 101, enabled: true }, host: '192.0.2.1' },
  'firewall guests Pool.Audit': { name: 'update_firewall', args: { vmid: 105, enabled: true }, settings: { policy: NOT_IN_PROD } },
  'firewall cluster Sys.Audit': { name: 'update_firewall', args: { vmid: 105, enabled: true } },
  'agent guests Pool.Audit': {
    ...{ name: 'run_in_guest', args: { vmid: 101, argv: ['systemctl', 'status', 'nginx'] } },
    settings: { policy: { ...NOT_IN_PROD, run: [{ match: { vmid: [{ from: 101, to: 101 }] }, argv: [['systemctl', 'status', '*']] }] } },
  },
};

/** Each privilege of each role, with a call of the toolset that is refused or told less without it. */
const each = (
  await Promise.all(
    toolsets.map(async ({ toolset, all, role }) => {
      const needs = await Promise.all(all.map(async (operation) => ({ operation, ...(await rightsOf(operation)) })));
      return PLACES.flatMap((on) =>
        role[on].map((privilege): [Toolset, string, Place, Call | undefined, Role] => {
          const others = role[on].filter((one) => one !== privilege);
          const decides = (anyOf: readonly string[]) => anyOf.includes(privilege) && !anyOf.some((one) => others.includes(one));
          const needing = needs.find((one) => one.needs.some((right) => right.on === on && decides(right.anyOf)))?.operation;
          const call = needing === undefined ? MORE[`${toolset} ${on} ${privilege}`] : { name: needing.name, args: argsOf(needing) };
          return [toolset, privilege, on, call, { ...role, [on]: others }];
        }),
      );
    }),
  )
).flat();

it.each(each)('%s without %s on %s: an operation says so, and nothing is sent', async (_toolset, privilege, _on, call, role) => {
  if (!call) throw new Error('no call of this toolset is known to need it');
  const { name, args } = call;
  const engine = await engineWith(role, call);
  const before = world.cluster.mutations().length;
  const isRead = operations.find((one) => one.name === name)?.effect === 'read';
  const answer = await engine
    .perform(name, args, agent, isRead ? {} : { dryRun: true })
    .then(JSON.stringify, (thrown) => `${thrown.message} ${thrown.hint}`);
  expect(answer).toContain(privilege);
  expect(world.cluster.mutations()).toHaveLength(before);
});
