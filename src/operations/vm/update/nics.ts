import * as z from 'zod';
import { fail } from '../../../core/errors/errors.ts';
import { plainText } from '../../../core/text/text.ts';
import { type Guest, listGuests } from '../../../proxmox/guest/guests.ts';
import { formatProperties, type Properties, parseNet, parseProperties } from '../../../proxmox/guest/property-strings.ts';
import type { OperationContext } from '../../define.ts';
import { containerAddress } from '../lib/container-address.ts';
import { refuseTwice } from '../lib/match.ts';
import { bridgeName, line } from '../lib/schemas.ts';
import { freeSlot } from '../lib/slots.ts';
import { addressesInUse, addressWarnings, staticIn } from '../lib/static-addresses.ts';
import { label, type Target } from '../lib/target.ts';
import { chooseBridge } from '../provision/choose/bridge.ts';
import { type Facet, facet, joined } from './facet.ts';

export const nic = z.strictObject({
  nic: z
    .string()
    .refine((text) => /^net\d{1,2}$/.test(text), { message: 'must be a NIC like net1' })
    .optional()
    .describe('net0; without it a new one'),
  bridge: bridgeName.optional(),
  vlan: z.int().min(0).max(4094).optional().describe('0: none'),
  link: z.boolean().optional().describe('false: cable out'),
  firewall: z.boolean().optional(),
  ip: line(100).optional().describe('Containers: dhcp or CIDR'),
  remove: z.boolean().optional(),
});
type Nic = z.output<typeof nic>;

/** NICs that are added, changed (the MAC address stays) or removed. */
export async function nicsFacet(ctx: OperationContext, target: Target, nics: readonly Nic[]): Promise<Facet> {
  refuseTwice(
    'NIC',
    nics.flatMap((one) => one.nic ?? []),
  );
  // A place with a pending removal is not free: what is put there would undo the removal.
  const taken = new Set(Object.keys({ ...target.guest.live, ...target.guest.config }));
  const facets: Facet[] = [];
  for (const one of nics) facets.push(await nicFacet(ctx, target, one, taken));
  const all = joined(facets);
  return { ...all, warnings: [...all.warnings, ...(await warningsOf(ctx, target, nics, all.set))] };
}

/** Warnings about the fixed addresses that this call gives, not about those that stay. */
async function warningsOf(ctx: OperationContext, { guest }: Target, nics: readonly Nic[], set: Facet['set']): Promise<string[]> {
  if (!nics.some(({ ip }) => ip !== undefined && ip !== 'dhcp')) return [];
  const addresses = Object.entries(set).flatMap(([slot, text]) => staticIn(slot, String(text)));
  return [...addressWarnings(addresses), ...(await addressesInUse(ctx, addresses, await listGuests(ctx.api), guest.at.vmid))];
}

async function nicFacet(ctx: OperationContext, { guest, running }: Target, args: Nic, taken: Set<string>): Promise<Facet> {
  const { at, config } = guest;
  const of = label(guest);
  const live = running ? [{ effect: 'disrupt' as const, because: `${args.nic ?? 'a NIC'} of the running guest changes at once` }] : [];
  if (at.type === 'qemu' && args.ip !== undefined) {
    fail('not_possible', `${of} is a VM. A NIC of a VM has no address of its own.`, { hint: 'Use cloud_init with ipconfig0.' });
  }
  if (args.nic !== undefined && config[args.nic] === undefined) {
    const have = Object.keys(config).filter((key) => /^net\d+$/.test(key));
    fail('not_possible', `${of} has no ${args.nic}.`, { hint: `NICs: ${have.join(', ') || 'none'}. Without nic a new one is added.` });
  }
  if (args.remove) {
    const slot = args.nic ?? fail('invalid_arguments', 'The entry in nics that removes a NIC needs nic.');
    const was = plainText(config[slot] ?? '', 200);
    return facet({
      changes: [{ keys: [slot], text: `remove ${slot} (${was})` }],
      ...{ remove: [slot], has: { [slot]: null }, before: { [slot]: was }, after: { [slot]: null } },
      ...{ raises: live, undo: [`add it again: ${was}`] },
    });
  }
  const slot = args.nic ?? freeSlot('net', taken);
  taken.add(slot);
  const isNew = config[slot] === undefined;
  if (isNew || args.bridge !== undefined) {
    const { bridge } = await chooseBridge(ctx.api, at.node, args.bridge);
    return written(guest, slot, { ...args, bridge }, isNew ? [] : live);
  }
  return written(guest, slot, args, live);
}

function written({ at, config }: Guest, slot: string, args: Nic, raises: Facet['raises']): Facet {
  const was = config[slot];
  const { head, options } = at.type === 'qemu' ? ofVm(was) : ofContainer(was, slot);
  const changes: Record<string, string | undefined> = {
    ...(args.bridge === undefined ? {} : { bridge: args.bridge }),
    ...(args.vlan === undefined ? {} : { tag: args.vlan === 0 ? undefined : String(args.vlan) }),
    ...(args.link === undefined ? {} : { link_down: args.link ? undefined : '1' }),
    ...(args.firewall === undefined ? {} : { firewall: args.firewall ? '1' : undefined }),
    ...(args.ip === undefined ? {} : withAddress(args.ip)),
  };
  const merged = Object.entries({ ...options, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const rest = formatProperties(Object.fromEntries(merged.sort(([a], [b]) => a.localeCompare(b))));
  const text = [head, rest].filter((part) => part !== '').join(',');
  if (was !== undefined && partsOf(text) === partsOf(was)) return facet();
  return facet({
    changes: [
      { keys: [slot], text: was === undefined ? `add ${slot} (${rest})` : `${slot} ${plainText(was, 200)} → ${plainText(text, 200)}` },
    ],
    set: { [slot]: text },
    parts: { [slot]: rest.split(',').filter((part) => part !== '') },
    before: { [slot]: was === undefined ? null : plainText(was, 200) },
    after: { [slot]: plainText(text, 200) },
    raises,
    undo: [was === undefined ? `remove ${slot}` : `${slot} back to ${plainText(was, 200)}`],
  });
}

/** The text of a NIC without the order of its parts and the case of its addresses. */
function partsOf(text: string): string {
  const spelled = (part: string) => (/^(?:ip|gw)6?=/.test(part) ? part.toLowerCase() : part);
  return text.split(',').map(spelled).sort().join(',');
}

/** Without an address of its own a NIC has no gateway either. */
function withAddress(ip: string): Record<string, string | undefined> {
  return { ...(ip === 'dhcp' ? { gw: undefined } : {}), ...containerAddress(ip) };
}

/** The model with its MAC address, which stays; Proxmox chooses one for a new NIC. */
function ofVm(was: string | undefined): { head: string; options: Properties } {
  if (was === undefined) return { head: 'virtio', options: {} };
  const { model, mac, options } = parseNet(was);
  return { head: mac === undefined ? model : `${model}=${mac}`, options };
}

function ofContainer(was: string | undefined, slot: string): { head: string; options: Properties } {
  if (was === undefined) return { head: `name=eth${slot.slice(3)}`, options: { ip: 'dhcp', type: 'veth' } };
  const { name = `eth${slot.slice(3)}`, ...options } = parseProperties(was, 'name');
  return { head: `name=${name}`, options };
}
