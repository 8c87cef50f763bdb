import { type Context, flag, integer, needed, type Routes, seconds, text } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import { blockedByHa, haDigest, movedAlong } from '../ha.ts';
import type { Guest, HaResource, HaRule } from '../model.ts';
import { startTask } from '../tasks.ts';
import { MIGRATE_ROUTES } from './guest/migrate.ts';

type Row = Record<string, unknown>;

/** `105` stands for the resource of the guest with that id. */
function sidFrom(context: Context): string {
  const given = needed(context, 'sid');
  if (given.includes(':')) return given;
  return `${context.world.guest(Number(given))?.type === 'lxc' ? 'ct' : 'vm'}:${given}`;
}

function guestOfSid(context: Context, sid: string): Guest {
  const guest = context.world.guest(Number(sid.split(':')[1]));
  const type = sid.startsWith('vm:') ? 'qemu' : 'lxc';
  return guest?.type === type ? guest : refuse(`resource '${sid}' does not exist in cluster`);
}

/** A resource as it is configured; what was never set is not told. */
function shown(context: Context, { vmid: _vmid, ...resource }: HaResource): Row {
  return { ...resource, type: resource.sid.split(':')[0], digest: haDigest(context.world, 'ha') };
}

function resourceOf(context: Context): HaResource {
  const sid = sidFrom(context);
  return context.world.get('ha', sid) ?? refuse(`no such resource '${sid}'`);
}

/** `enabled` is the old word for `started`. */
const stateFrom = (context: Context): string | undefined => text(context, 'state')?.replace(/^enabled$/, 'started');

function settings(context: Context): Partial<HaResource> {
  const given = { comment: text(context, 'comment'), state: stateFrom(context) };
  const numbers = ['failback', 'max_relocate', 'max_restart'].map((name) => [name, integer(context, name)]);
  return Object.fromEntries([...Object.entries(given), ...numbers].filter(([, value]) => value !== undefined));
}

function create(context: Context): null {
  const { world } = context;
  const sid = sidFrom(context);
  const type = text(context, 'type');
  if (type !== undefined && type !== sid.split(':')[0]) refuse('types does not match');
  if (text(context, 'group') !== undefined) refuse("invalid parameter 'group': ha groups have been migrated to rules");
  const guest = guestOfSid(context, sid);
  if (world.get('ha', sid)) refuse(`create resource failed: resource ID '${sid}' already defined`);
  world.put('ha', sid, { sid, vmid: guest.vmid, state: 'started', ...settings(context) });
  act(context, guest, world.get('ha', sid)?.state);
  return null;
}

function checkDigest(context: Context, kind: 'ha' | 'ha-rule'): void {
  const digest = text(context, 'digest');
  if (digest !== undefined && digest !== haDigest(context.world, kind))
    refuse('detected modified configuration - file changed by other user? Try again.');
}

function update(context: Context): null {
  const sid = sidFrom(context);
  if (text(context, 'group') !== undefined) refuse("invalid parameter 'group': ha groups have been migrated to rules");
  const before = context.world.get('ha', sid) ?? refuse(`Resource '${sid}' is not configured`);
  checkDigest(context, 'ha');
  const next: HaResource & Record<string, unknown> = { ...before, ...settings(context) };
  for (const key of splitList(text(context, 'delete') ?? '')) delete next[key];
  context.world.put('ha', sid, next);
  if (stateFrom(context) !== undefined) act(context, guestOfSid(context, sid), next.state);
  return null;
}

/** The manager brings the guest into the wanted state a moment later, as root. */
function act(context: Context, guest: Guest, state: string | undefined): void {
  const [letters, prefix] = guest.type === 'lxc' ? ['vz', 'ct-'] : ['qm', ''];
  const up = state === 'started' && !guest.running;
  const down = (state === 'stopped' || state === 'disabled') && guest.running !== undefined;
  if (!up && !down) return;
  const what = up ? 'start' : 'shutdown';
  const wanted = { node: guest.node, type: `${letters}${what}`, id: String(guest.vmid), owner: 'root@pam', kind: `${prefix}${what}` };
  const args = up ? {} : { force: true, timeout: 60 };
  startTask(context.world, context.kinds, { ...wanted, args, locks: [guest.vmid], slower: 1_000 }, context.at);
}

/** With `purge`, rules forget the resource, too; one with nothing left is gone. */
function remove(context: Context): null {
  const { world } = context;
  const sid = sidFrom(context);
  if (!world.get('ha', sid)) refuse(`cannot delete service '${sid}', not HA managed!`);
  world.drop('ha', sid);
  if (text(context, 'purge') === '0') return null;
  for (const rule of [...world.all('ha-rule').values()]) {
    const left = splitList(rule.resources).filter((other) => other !== sid);
    if (left.length === splitList(rule.resources).length) continue;
    if (left.length < (rule.type === 'resource-affinity' ? 2 : 1)) world.drop('ha-rule', rule.rule);
    else world.put('ha-rule', rule.rule, { ...rule, resources: left.join(',') });
  }
  return null;
}

/** Asks the manager to move a resource; the answer says that it was asked, not that it moved. */
function move(context: Context): Row {
  const { world } = context;
  const { sid } = resourceOf(context);
  const guest = guestOfSid(context, sid);
  const node = needed(context, 'node');
  const [along, blockers] = [movedAlong(world, guest), blockedByHa(world, guest)[node]];
  if (!blockers) {
    const how = guest.running ? (guest.type === 'lxc' ? { restart: '1' } : { online: '1', 'with-local-disks': '1' }) : {};
    const path = `/nodes/{node}/${guest.type}/{vmid}/migrate`;
    const params = { node: guest.node, vmid: String(guest.vmid), target: node, ...how };
    MIGRATE_ROUTES[`POST ${path}`]?.({ ...context, method: { ...context.method, path }, params });
  }
  return {
    sid,
    'requested-node': node,
    ...(along.length > 0 ? { 'comigrated-resources': along } : {}),
    ...(blockers ? { 'blocking-resources': blockers } : {}),
  };
}

/** The managers: one for the cluster, one on each node; a node alone has not started them. */
function managers({ world, at }: Context): Row[] {
  const online = [...world.all('node').values()].filter((node) => node.online).map(({ node }) => node);
  if (world.all('node').size < 2) return [];
  const timestamp = seconds(at);
  const when = new Date(at).toUTCString();
  const row = (id: string, type: string, node: string, state: string) => ({
    id,
    type,
    node,
    status: `${node} (${state}, ${when})`,
    timestamp,
  });
  const used = new Set([...world.all('ha').values()].map(({ vmid }) => world.guest(vmid)?.node));
  return [
    ...online.slice(0, 1).map((node) => row('master', 'master', node, 'active')),
    ...online.map((node) => row(`lrm:${node}`, 'lrm', node, used.has(node) ? 'active' : 'idle')),
  ];
}

/** The state of a cluster whose fencing stands by, and of its services. */
function status(context: Context): Row[] {
  const { world } = context;
  const [master] = [...world.all('node').values()].filter(({ online }) => online);
  const node = master?.node ?? '';
  const services = [...world.all('ha').values()].map(({ sid, state, vmid, ...resource }) => ({
    id: `service:${sid}`,
    type: 'service',
    sid,
    node: world.guest(vmid)?.node ?? node,
    state,
    request_state: state,
    status: `${sid} (${world.guest(vmid)?.node ?? node}, ${state})`,
    failback: resource.failback ?? 1,
    max_relocate: resource.max_relocate ?? 1,
    max_restart: resource.max_restart ?? 1,
  }));
  return [
    { id: 'quorum', type: 'quorum', node, status: 'OK', quorate: 1 },
    ...managers(context),
    { id: 'fencing', type: 'fencing', node, status: 'standby (CRM watchdog standby)', 'armed-state': 'standby' },
    ...services,
  ];
}

const shownRule = (context: Context, rule: HaRule): Row => ({ ...rule, digest: haDigest(context.world, 'ha-rule') });

function ruleOf(context: Context): HaRule {
  const name = needed(context, 'rule');
  return context.world.get('ha-rule', name) ?? refuse(`no such ha rule '${name}'`);
}

/** The given options; resources have to be managed, nodes have to be there. */
function ruleSettings(context: Context): Partial<HaRule> {
  const { world } = context;
  const [resources, nodes] = [text(context, 'resources'), text(context, 'nodes')];
  const unmanaged = splitList(resources ?? '').find((sid) => !world.get('ha', sid));
  if (unmanaged) refuse(`cannot use unmanaged resource(s) ${unmanaged}.`);
  const missing = splitList(nodes ?? '').find((entry) => !world.get('node', entry.split(':')[0] ?? ''));
  if (missing) refuse(`cannot use non-existent node(s) ${missing}.`);
  const given = { resources, nodes, affinity: text(context, 'affinity'), comment: text(context, 'comment') };
  const flags = ['strict', 'disable']
    .filter((name) => text(context, name) !== undefined)
    .map((name) => [name, flag(context, name) ? 1 : 0]);
  return Object.fromEntries([...Object.entries(given), ...flags].filter(([, value]) => value !== undefined));
}

function createRule(context: Context): null {
  const [rule, type] = [needed(context, 'rule'), needed(context, 'type') as HaRule['type']];
  if (context.world.get('ha-rule', rule)) refuse(`create ha rule failed: HA rule '${rule}' already defined`);
  const settings = ruleSettings(context);
  const lacking = ['resources', type === 'node-affinity' ? 'nodes' : 'affinity'].find((name) => !(name in settings));
  if (lacking) invalid({ [lacking]: 'property is missing and it is not optional' });
  const conflict = type === 'node-affinity' ? undefined : splitList(settings.resources ?? '').length < 2;
  if (conflict) refuse(`create ha rule failed: rule '${rule}' is infeasible: rule is defined with less than two resources`);
  context.world.put('ha-rule', rule, { rule, type, resources: '', ...settings });
  return null;
}

function updateRule(context: Context): null {
  const before = ruleOf(context);
  checkDigest(context, 'ha-rule');
  const next: HaRule & Record<string, unknown> = { ...before, ...ruleSettings(context) };
  for (const key of splitList(text(context, 'delete') ?? '')) delete next[key];
  context.world.put('ha-rule', before.rule, next);
  return null;
}

const NO_GROUPS = (): never => refuse('cannot index groups: ha groups have been migrated to rules');

export const HA_ROUTES: Routes = {
  'GET /cluster/ha/resources': (context) =>
    [...context.world.all('ha').values()]
      .filter(({ sid }) => text(context, 'type') === undefined || sid.startsWith(`${text(context, 'type')}:`))
      .map((resource) => shown(context, resource)),
  'POST /cluster/ha/resources': create,
  'GET /cluster/ha/resources/{sid}': (context) => shown(context, resourceOf(context)),
  'PUT /cluster/ha/resources/{sid}': update,
  'DELETE /cluster/ha/resources/{sid}': remove,
  'POST /cluster/ha/resources/{sid}/migrate': move,
  'POST /cluster/ha/resources/{sid}/relocate': move,
  'GET /cluster/ha/rules': (context) =>
    [...context.world.all('ha-rule').values()]
      .filter((rule) => text(context, 'type') === undefined || rule.type === text(context, 'type'))
      .filter((rule) => text(context, 'resource') === undefined || splitList(rule.resources).includes(text(context, 'resource') ?? ''))
      .map((rule) => shownRule(context, rule)),
  'POST /cluster/ha/rules': createRule,
  'GET /cluster/ha/rules/{rule}': (context) => shownRule(context, ruleOf(context)),
  'PUT /cluster/ha/rules/{rule}': updateRule,
  'DELETE /cluster/ha/rules/{rule}': (context) => {
    context.world.drop('ha-rule', needed(context, 'rule'));
    return null;
  },
  'GET /cluster/ha/groups': NO_GROUPS,
  'GET /cluster/ha': () => ['groups', 'resources', 'rules', 'status'].map((id) => ({ id })),
  'GET /cluster/ha/status': () => ['current', 'manager_status', 'arm-ha', 'disarm-ha'].map((name) => ({ name })),
  'GET /cluster/ha/status/current': status,
};
