import { defined } from '../../../../core/defined.ts';
import { fail } from '../../../../core/errors/errors.ts';
import { parseNetwork, sameAddress } from '../../../../core/network.ts';
import { gravest } from '../../../../core/plan/effect.ts';
import { inLane } from '../../../../core/plan/parts.ts';
import type { Made, PlanDraft } from '../../../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../../../core/proxmox.ts';
import { summed } from '../../../../core/sums.ts';
import type { Json, JsonObject } from '../../../../core/text/json.ts';
import { counted, plainText } from '../../../../core/text/text.ts';
import { formatProperties, parseProperties } from '../../../../proxmox/guest/property-strings.ts';
import type { OperationContext, ReservationRequest } from '../../../define.ts';
import { allSo, saidOnce } from '../../lib/several.ts';
import type { CloudInit } from '../cloud-init/cloud-init.ts';
import type { CreateArgs } from '../create/input.ts';

/** The arguments of a create or clone by which it makes one guest or several. */
type Named = Partial<Pick<CreateArgs, 'name' | 'names' | 'ips' | 'vmid' | 'cloud_init'>>;

/** The guests that the call reserves: one, or several by their names. @throws invalid_arguments */
export function newGuests({ name, names, ips, vmid }: Named): ReservationRequest | ReservationRequest[] {
  if (names === undefined) {
    if (ips !== undefined) fail('invalid_arguments', 'ips needs names. For one guest give cloud_init.ipconfig0.');
    return defined({ name, vmid });
  }
  if (name !== undefined || vmid !== undefined) fail('invalid_arguments', 'Give either names, or name with or without vmid.');
  if (ips !== undefined && ips.length !== names.length)
    fail('invalid_arguments', `ips has ${ips.length} addresses for ${names.length} names. Give one for each.`);
  const twice = names.find((one, index) => names.slice(0, index).some((other) => other.toLowerCase() === one.toLowerCase()));
  if (twice !== undefined) fail('invalid_arguments', `names has ${twice} twice.`);
  const addresses = (ips ?? []).map((ip) => ip.split(/[/,]/)[0] ?? '');
  const doubled = addresses.find((one, index) => addresses.slice(0, index).some((other) => sameAddress(other, one)));
  if (doubled !== undefined) fail('invalid_arguments', `ips has the address ${doubled} twice.`);
  return names.map((one) => ({ name: one }));
}

/** The arguments for one of the guests: its name, and its address in ipconfig0 beside the gateway that is given there for all. */
export function argsOfEach<A extends Named>({ names = [], ips, ...args }: A): (Omit<A, 'names' | 'ips'> & { name: string })[] {
  return names.map((name, index) => {
    const ip = ips?.[index];
    return { ...args, name, ...(ip === undefined ? {} : { cloud_init: withAddress(args.cloud_init ?? {}, ip) }) };
  });
}

function withAddress(cloudInit: CloudInit, text: string): CloudInit {
  const [cidr = '', ...rest] = text.split(',');
  const version = parseNetwork(cidr)?.version === 6 ? '6' : '';
  const shared = parseProperties(cloudInit.ipconfig0 ?? '', '');
  const own = { ...shared, ...parseProperties(rest.join(','), ''), [`ip${version}`]: cidr };
  return { ...cloudInit, ipconfig0: formatProperties(Object.fromEntries(Object.entries(own).filter(([, value]) => value !== ''))) };
}

/**
 * Plans each guest with what those before it take.
 * @throws what one of them is refused for; then none is made
 */
export async function planEachNew<A extends { name: string }>(
  ctx: OperationContext,
  each: readonly A[],
  plan: (ctx: OperationContext, args: A) => Promise<PlanDraft>,
): Promise<PlanDraft[]> {
  const api = remembering(ctx.api);
  const plans: PlanDraft[] = [];
  for (const args of each) {
    const taken = (place: string) => plans.reduce((sum, { space }) => sum + (space?.[place] ?? 0), 0);
    const reservedVmid = ctx.reservedVmids?.get(args.name.toLowerCase());
    const { reservedVmid: _first, ...rest } = ctx;
    const reservedGib = (place: string) => ctx.reservedGib(place) + taken(place);
    plans.push(await plan({ ...rest, api, reservedGib, ...defined({ reservedVmid }) }, args));
  }
  return plans;
}

/** Reads each thing once: the guests of one call are planned from the same facts. */
function remembering(api: ProxmoxReader): ProxmoxReader {
  const known = new Map<string, Promise<unknown>>();
  return {
    ...api,
    get<T>(...[path, params, options]: Parameters<ProxmoxReader['get']>): Promise<T> {
      const key = JSON.stringify([path, params ?? {}]);
      const read = known.get(key) ?? api.get(path, params, options);
      known.set(key, read);
      return read as Promise<T>;
    },
  };
}

/** The guests of a call in one plan: those that exist are named, missing ones made, half-made ones finished. */
export function togetherNew(plans: readonly PlanDraft[], verb: string): PlanDraft {
  const open = plans.filter((plan) => plan.existing === undefined);
  const there = plans.filter((plan) => plan.existing !== undefined);
  const [first, ...others] = open;
  if (!first) return allSo(there, 'Nothing will change: all of them exist already');
  const names = open.map(labelOf);
  const vmidOf = (plan: PlanDraft) => plan.demand?.vmid ?? fail('internal', 'A guest was planned without its resources.');
  return {
    summary: `${verb} ${counted(open.length, 'VM')}: ${names.join(', ')}`,
    effect: gravest(...open.map(({ effect }) => effect)),
    ...defined({ node: first.node }),
    ...(open.some(({ target }) => target) ? { targets: open.flatMap(({ target }) => target ?? []) } : {}),
    steps: open.flatMap((plan) => inLane(plan.steps, vmidOf(plan))),
    expected: open.flatMap(({ expected }) => expected),
    makes: open.flatMap(madeOf),
    space: Object.fromEntries(summed(open.flatMap(({ space = {} }) => Object.entries(space)))),
    choices: [
      ...there.map(({ summary, existing }) => `${summary}${differencesIn(existing)}`),
      // The name of each has its VMID beside it.
      ...saidOnce(open, ({ choices }) => choices.filter((text) => !text.startsWith('vmid: ')), labelOf),
    ],
    warnings: saidOnce(open, ({ warnings }) => warnings, labelOf),
    after: { guests: names, ...shared(open) },
    undo: [`delete_vm {"vmid": ${vmidOf(first)}}`, ...(others.length > 0 ? [`the same for ${others.map(vmidOf).join(', ')}`] : [])].join(
      ', ',
    ),
  };
}

function madeOf({ demand, node, target, space, continues, cleanup, after, facts }: PlanDraft): Made[] {
  return demand ? [{ demand, ...defined({ node, target, space, continues, cleanup, after, facts }) }] : [];
}

/** `web1 (110)` */
function labelOf({ target, after, demand }: PlanDraft): string {
  return `${plainText(target?.name ?? String(after?.name ?? ''), 80)} (${demand?.vmid})`;
}

function differencesIn(existing: JsonObject | undefined): string {
  const { differences } = existing ?? {};
  return Array.isArray(differences) && differences.length > 0 ? `, and differs: ${differences.join('; ')}` : '';
}

/** The values that hold for all of them, once. */
function shared(plans: readonly PlanDraft[]): Record<string, Json> {
  const [first, ...others] = plans.map(({ after = {} }) => after);
  return Object.fromEntries(
    Object.entries(first ?? {}).filter(([key, value]) => others.every((other) => JSON.stringify(other[key]) === JSON.stringify(value))),
  );
}
