import { createHash } from 'node:crypto';
import { demand, may } from '../access/permissions.ts';
import { type Context, flag, needed, type Routes, task, text } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import type { SdnPart } from '../model.ts';
import type { Kinds, Run } from '../tasks.ts';
import { newUuid } from '../world.ts';
import { optionsOf } from './guest/new-guest.ts';

type Row = Record<string, unknown>;
type Kind = SdnPart['kind'];

/** Name of the parameter that identifies a part. */
const NAMES = { zone: 'zone', vnet: 'vnet', subnet: 'subnet' } as const;
const NOT_OPTIONS = ['lock-token', 'delete', 'digest', 'pending', 'running'];

const keyOf = (kind: Kind, id: string): string => `${kind}/${id}`;
const partsOf = (context: Context, kind: Kind): SdnPart[] => [...context.world.all('sdn').values()].filter((part) => part.kind === kind);

const digest = (options: Row): string => createHash('sha1').update(JSON.stringify(options)).digest('hex');

/** Where the right to see or change a part is asked for. */
function pathOf(context: Context, part: SdnPart): string {
  const zone = part.kind === 'zone' ? part.id : String(zoneOf(context, part) ?? '');
  return part.kind === 'zone' ? `/sdn/zones/${zone}` : `/sdn/zones/${zone}/${part.kind === 'vnet' ? part.id : part.wanted?.vnet}`;
}

function zoneOf(context: Context, part: SdnPart): unknown {
  if (part.kind === 'vnet') return (part.wanted ?? part.running)?.zone;
  const vnet = context.world.get('sdn', keyOf('vnet', String((part.wanted ?? part.running)?.vnet)));
  return (vnet?.wanted ?? vnet?.running)?.zone;
}

/** `new`, `changed` or `deleted` while the change waits to be applied. */
function stateOf(part: SdnPart): string | undefined {
  if (!part.running) return 'new';
  if (!part.wanted) return 'deleted';
  return JSON.stringify(part.running) === JSON.stringify(part.wanted) ? undefined : 'changed';
}

/** A part as it is configured; `running` shows the applied one, `pending` both. */
function shown(context: Context, part: SdnPart): Row | undefined {
  const named = { [NAMES[part.kind]]: part.id };
  if (flag(context, 'running')) return part.running && { ...named, ...part.running, digest: digest(part.running) };
  if (!flag(context, 'pending')) return part.wanted && { ...named, ...part.wanted, digest: digest(part.wanted) };
  const state = stateOf(part);
  const base = { ...named, ...(part.running ?? part.wanted) };
  if (state === undefined) return { ...base, digest: digest(part.wanted ?? {}) };
  return { ...base, state, ...(state === 'deleted' ? {} : { pending: part.wanted }), digest: digest(part.wanted ?? {}) };
}

const list =
  (kind: Kind) =>
  (context: Context): Row[] => {
    const vnet = kind === 'subnet' ? needed(context, 'vnet') : undefined;
    // check_vnet_access (API2/Network/SDN/Subnets.pm) looks for the VNet as it is staged.
    if (vnet !== undefined && !context.world.get('sdn', keyOf('vnet', vnet))?.wanted) refuse(`sdn vnet '${vnet}' does not exist`);
    return partsOf(context, kind)
      .filter((part) => may(context.world, context.who, pathOf(context, part), ['SDN.Audit', 'SDN.Allocate'], true))
      .filter((part) => vnet === undefined || (part.wanted ?? part.running)?.vnet === vnet)
      .filter(
        (part) => kind !== 'zone' || text(context, 'type') === undefined || (part.wanted ?? part.running)?.type === text(context, 'type'),
      )
      .map((part) => shown(context, part))
      .filter((row) => row !== undefined);
  };

function find(context: Context, kind: Kind): SdnPart {
  const id = needed(context, NAMES[kind]);
  return context.world.get('sdn', keyOf(kind, id)) ?? refuse(`${kind} '${id}' does not exist`);
}

/** While one session holds the lock, changes have to bring its token. */
function checkLock(context: Context): void {
  const held = context.world.flag('sdn-lock');
  const given = text(context, 'lock-token');
  if (held && given !== held) refuse('invalid lock token provided!');
  if (!held && given !== undefined) refuse('invalid lock token provided!');
}

const create =
  (kind: Kind) =>
  (context: Context): null => {
    checkLock(context);
    const id = needed(context, NAMES[kind]);
    const known = context.world.get('sdn', keyOf(kind, id));
    if (known?.wanted) refuse(`sdn ${kind} object ID '${id}' already defined`);
    const options = optionsOf(context, [...NOT_OPTIONS, NAMES[kind]]);
    if (kind === 'vnet' && !context.world.get('sdn', keyOf('zone', String(options.zone)))?.wanted)
      invalid({ zone: `zone ${options.zone} does not exist` });
    if (kind === 'zone' && options.type === 'vlan' && options.bridge === undefined)
      invalid({ bridge: 'property is missing and it is not optional' });
    const part: SdnPart = { kind, id, wanted: options, ...(known?.running ? { running: known.running } : {}) };
    if (kind !== 'zone') demand(context.world, context.who, pathOf(context, part), ['SDN.Allocate']);
    context.world.put('sdn', keyOf(kind, id), part);
    return null;
  };

const change =
  (kind: Kind) =>
  (context: Context): null => {
    checkLock(context);
    const part = find(context, kind);
    if (kind !== 'zone') demand(context.world, context.who, pathOf(context, part), ['SDN.Allocate']);
    const given = text(context, 'digest');
    if (given !== undefined && given !== digest(part.wanted ?? {}))
      refuse('detected modified configuration - file changed by other user? Try again.');
    const options: Row = { ...part.wanted, ...optionsOf(context, [...NOT_OPTIONS, NAMES[kind]]) };
    for (const key of splitList(text(context, 'delete') ?? '')) delete options[key];
    context.world.put('sdn', keyOf(kind, part.id), { ...part, wanted: options });
    return null;
  };

const remove =
  (kind: Kind) =>
  (context: Context): null => {
    checkLock(context);
    const part = find(context, kind);
    if (kind !== 'zone') demand(context.world, context.who, pathOf(context, part), ['SDN.Allocate']);
    const user = partsOf(context, kind === 'zone' ? 'vnet' : 'subnet').find(({ wanted }) => wanted?.[kind] === part.id);
    if (kind !== 'subnet' && user)
      refuse(kind === 'zone' ? `zone ${part.id} is used by vnet ${user.id}` : `Can't delete vnet if subnets exists`);
    const { wanted: _wanted, ...left } = part;
    if (part.running) context.world.put('sdn', keyOf(kind, part.id), left);
    else context.world.drop('sdn', keyOf(kind, part.id));
    return null;
  };

function settle(world: Context['world'], part: SdnPart, to: Row | undefined): void {
  if (to === undefined) world.drop('sdn', keyOf(part.kind, part.id));
  else world.put('sdn', keyOf(part.kind, part.id), { kind: part.kind, id: part.id, wanted: to, running: to });
}

/** Applies every staged change, whichever client staged it, on all nodes: a VNet becomes a bridge there. */
function finishApply(run: Run): void {
  const { world } = run;
  for (const part of [...world.all('sdn').values()]) settle(world, part, part.wanted);
  const vnets = [...world.all('sdn').values()].filter(({ kind }) => kind === 'vnet');
  for (const node of [...world.all('node').values()]) {
    const plain = node.bridges.filter(({ vnet }) => !vnet);
    const made = vnets.map(({ id, running }) => ({ iface: id, vnet: true as const, zone: String(running?.zone) }));
    world.put('node', node.node, { ...node, bridges: [...plain, ...made] });
  }
}

function apply(context: Context): string {
  checkLock(context);
  if (text(context, 'release-lock') !== '0') context.world.setFlag('sdn-lock', '');
  const node = [...context.world.all('node').values()].find(({ online }) => online)?.node ?? '';
  return task(context, { type: 'reloadnetworkall', id: '', node, kind: 'sdn-apply' });
}

function rollback(context: Context): null {
  checkLock(context);
  for (const part of [...context.world.all('sdn').values()]) settle(context.world, part, part.running);
  if (text(context, 'release-lock') !== '0') context.world.setFlag('sdn-lock', '');
  return null;
}

function lock(context: Context): string {
  if (context.world.flag('sdn-lock')) refuse('configuration is already locked');
  const waiting = [...context.world.all('sdn').values()].some((part) => stateOf(part) !== undefined);
  if (waiting && !flag(context, 'allow-pending')) refuse('configuration has pending changes');
  const token = newUuid();
  context.world.setFlag('sdn-lock', token);
  return token;
}

function unlock(context: Context): null {
  if (!flag(context, 'force')) checkLock(context);
  context.world.setFlag('sdn-lock', '');
  return null;
}

export const SDN_KINDS: Kinds = { 'sdn-apply': { begin: () => 1_500, finish: finishApply } };

/** A zone's state on a node. */
const nodeZones = (context: Context): Row[] =>
  partsOf(context, 'zone')
    .filter((part) => part.running && may(context.world, context.who, `/sdn/zones/${part.id}`, ['SDN.Audit']))
    .map((part) => ({ zone: part.id, status: stateOf(part) === undefined ? 'available' : 'pending' }));

const below = (base: string, kind: Kind): Routes => ({
  [`GET ${base}`]: list(kind),
  [`POST ${base}`]: create(kind),
  [`GET ${base}/{${kind}}`]: (context) =>
    shown(context, find(context, kind)) ?? refuse(`${kind} '${needed(context, kind)}' does not exist`),
  [`PUT ${base}/{${kind}}`]: change(kind),
  [`DELETE ${base}/{${kind}}`]: remove(kind),
});

export const SDN_ROUTES: Routes = {
  'GET /cluster/sdn': () => ['vnets', 'zones', 'controllers', 'ipams', 'dns', 'fabrics'].map((id) => ({ id })),
  'PUT /cluster/sdn': apply,
  'POST /cluster/sdn/rollback': rollback,
  'POST /cluster/sdn/lock': lock,
  'DELETE /cluster/sdn/lock': unlock,
  ...below('/cluster/sdn/zones', 'zone'),
  ...below('/cluster/sdn/vnets', 'vnet'),
  ...below('/cluster/sdn/vnets/{vnet}/subnets', 'subnet'),
  'GET /cluster/sdn/controllers': () => [],
  'GET /cluster/sdn/fabrics/all': () => ({ fabrics: [], nodes: [] }),
  'GET /cluster/sdn/dns': () => [],
  'GET /cluster/sdn/ipams': () => [{ ipam: 'pve', type: 'pve', digest: digest({}) }],
  'GET /nodes/{node}/sdn/zones': nodeZones,
};
