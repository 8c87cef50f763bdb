import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { fail } from '../../../core/errors/errors.ts';
import { ipVersion, sameAddress, staysHere } from '../../../core/network.ts';
import { type Addresses, addressesOf } from '../../../proxmox/guest/addresses.ts';
import { networksOf } from '../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import type { OperationContext } from '../../define.ts';
import { label, type Target } from '../lib/target.ts';
import { type Direction, decisionOn, type FilterChange } from './decision.ts';

/** The port of the API on every node. */
const API_PORT = 8006;

/**
 * Refuses what could cut this server off from the API. That is possible where the API is reached at an address of the guest (a proxy, a nested
 * cluster), or where this server runs in it: then only rules that surely let the connection through may change what decides about it.
 * @returns warnings, where it cannot be known whether the API is reached there
 * @throws not_possible
 */
export async function refuseLockOut(
  ctx: OperationContext,
  target: Target,
  { before, after }: FilterChange,
  ownMacs = macsHere(),
): Promise<string[]> {
  const inside = await apiInside(ctx, target);
  const closed = ({ direction, port }: Path) => {
    const [was, is] = [decisionOn(before, direction, port), decisionOn(after, direction, port)];
    return is.is !== 'open' && is.because !== was.because;
  };
  const path = [...inside.paths, ...(runsIn(target.guest, ownMacs) ? hostedHere(ctx) : [])].find(closed);
  const of = label(target.guest);
  if (path) {
    const { direction, port, why } = path;
    fail('not_possible', `This could cut this server off from the API: ${of} ${why}.`, {
      hint: `Keep an ACCEPT rule of type ${direction} for TCP port ${port} of every address first, or ask the operator to change it in Proxmox.`,
    });
  }
  const unknown = inside.unknown.find(closed);
  return unknown === undefined ? [] : [`whether ${of} carries connections to the API is unknown: ${unknown.why}`];
}

interface Path {
  direction: Direction;
  port: number;
  /** Completes "web1 (105) …", or says why it is unknown. */
  why: string;
}

/** The guest has the address or the name under which the API is reached: it passes connections on to a node, or is one. */
async function apiInside({ api, endpoints }: OperationContext, { guest, running }: Target): Promise<{ paths: Path[]; unknown: Path[] }> {
  const away = endpoints.filter(({ host }) => !staysHere(host) && host !== 'localhost');
  const found = { paths: [] as Path[], unknown: [] as Path[] };
  if (away.length === 0) return found;
  const configured = networksOf(guest.at.type, guest.config).flatMap(({ ip, ip6 }) => [ip, ip6].map((text) => text?.split('/')[0] ?? ''));
  const { ip_addresses = [], other_addresses = [], ip_note } = running ? await addressesOf(api, guest) : ({} as Addresses);
  const own = [...configured, ...ip_addresses, ...other_addresses].filter((text) => ipVersion(text) !== undefined);
  for (const { host, port } of away) {
    const isNamed = guest.identity.name !== '' && host.split('.')[0]?.toLowerCase() === guest.identity.name.split('.')[0]?.toLowerCase();
    const addresses = await addressesOfHost(host);
    if (isNamed || addresses.some((one) => own.some((mine) => sameAddress(one, mine)))) {
      found.paths.push({ direction: 'in', port, why: `is reached as ${host}, where the API answers` });
      found.paths.push({ direction: 'out', port: API_PORT, why: `is reached as ${host} and may pass on what comes to the API` });
    } else if (ip_note !== undefined || (running && addresses.length === 0)) {
      found.unknown.push({ direction: 'in', port, why: ip_note ?? `${host} has no address` });
    }
  }
  return found;
}

/** None for a name that cannot be resolved. */
async function addressesOfHost(host: string): Promise<string[]> {
  if (ipVersion(host) !== undefined) return [host];
  return lookup(host, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
}

function hostedHere({ endpoints }: OperationContext): Path[] {
  return endpoints.map(({ port }) => ({ direction: 'out' as const, port, why: 'is where this server runs' }));
}

function runsIn(guest: Guest, ownMacs: readonly string[]): boolean {
  return networksOf(guest.at.type, guest.config).some(({ mac }) => mac !== undefined && ownMacs.includes(mac.toLowerCase()));
}

function macsHere(): string[] {
  return Object.values(networkInterfaces()).flatMap((cards = []) => cards.map(({ mac }) => mac.toLowerCase()));
}
