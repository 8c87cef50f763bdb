import { defined } from '../../../core/defined.ts';
import { labelOf } from '../../../core/guest.ts';
import { ipVersion, isLinkLocal, isOfNoHost, networks, sameAddress, staysHere } from '../../../core/network.ts';
import { type Addresses, addressesOf } from '../../../proxmox/guest/addresses.ts';
import { type GuestRow, guestPath, readGuest } from '../../../proxmox/guest/guests.ts';
import { parseProperties } from '../../../proxmox/guest/property-strings.ts';
import type { OperationContext } from '../../define.ts';

/** Above this many guests their configurations cost too many requests for a warning. */
const COMPARE_WITH = 50;
/** Running guests whose agents are asked for addresses, and the time (ms) for an answer. */
const ASK_INSIDE = 10;
const INSIDE_MS = 2_000;

const TWICE = 'two guests with one address in one network disturb each other';

export interface StaticAddress {
  /** The parameter that names it: `ipconfig0`, `net1`, `ip`. */
  key: string;
  address: string;
  prefix: number;
  gateway?: string;
}

/** The fixed addresses of an `ipconfigN` of a VM or a `netN` of a container. */
export function staticIn(key: string, text: string): StaticAddress[] {
  const { ip, gw, ip6, gw6 } = parseProperties(text, '');
  return [
    { cidr: ip, gateway: gw },
    { cidr: ip6, gateway: gw6 },
  ].flatMap(({ cidr, gateway }) => {
    const [address = '', bits] = cidr?.split('/') ?? [];
    return ipVersion(address) === undefined ? [] : [{ key, address, prefix: Number(bits), ...defined({ gateway }) }];
  });
}

/** Warnings about the addresses themselves, which need no read of other guests. */
export function addressWarnings(wanted: readonly StaticAddress[]): string[] {
  return [...wanted.flatMap(outOfReach), ...wanted.flatMap(unusable), ...twice(wanted)];
}

function outOfReach({ key, address, prefix, gateway }: StaticAddress): string[] {
  return gateway === undefined || isInside(gateway, address, prefix)
    ? []
    : [`${key}: the gateway ${gateway} is outside of ${address}/${prefix}, so the guest may not reach it`];
}

/** A route to a single address needs no subnet, and a link-local gateway is on every link. */
function isInside(gateway: string, address: string, prefix: number): boolean {
  const version = ipVersion(address);
  if (prefix === (version === 6 ? 128 : 32) || ipVersion(gateway) !== version) return true;
  return networks([`${address}/${prefix}`])(gateway) || (version === 6 && isLinkLocal(gateway));
}

/** An address that no guest can have there. A network of one or two addresses (RFC 3021) keeps none for itself. */
function unusable({ key, address, prefix, gateway }: StaticAddress): string[] {
  if (gateway !== undefined && sameAddress(gateway, address)) return [`${key}: the gateway ${gateway} is the address of the guest itself`];
  if (staysHere(address) && !isLinkLocal(address)) return [`${key}: ${address} leads to no other machine`];
  if (isOfNoHost(address)) return [`${key}: ${address} is a multicast or reserved address, which no guest can have`];
  if (ipVersion(address) !== 4 || prefix > 30) return [];
  const hosts = 2 ** (32 - prefix);
  const host = address.split('.').reduce((number, part) => number * 256 + Number(part), 0) % hosts;
  const kept = host === 0 ? 'network' : host === hosts - 1 ? 'broadcast' : undefined;
  return kept === undefined ? [] : [`${key}: ${address} is the ${kept} address of its /${prefix}, which no guest can have`];
}

function twice(addresses: readonly StaticAddress[]): string[] {
  return addresses.flatMap(({ key, address }, index) => {
    const first = addresses.slice(0, index).find((other) => sameAddress(other.address, address));
    return first ? [`${address} is given twice: as ${first.key} and as ${key}`] : [];
  });
}

/**
 * Addresses that another guest already has, or uses as its gateway. It compares the configurations of up to 50 visible guests, and the
 * addresses that the agents of up to 10 running ones report.
 * @param guests all that are visible; without any fixed address none of them is read
 * @param own the guest that is changed
 */
export async function addressesInUse(
  { api }: Pick<OperationContext, 'api'>,
  wanted: readonly StaticAddress[],
  guests: readonly GuestRow[],
  own?: number,
): Promise<string[]> {
  const others = guests.filter((guest) => !guest.template && guest.vmid !== own);
  if (wanted.length === 0 || others.length > COMPARE_WITH) return [];
  const found = await Promise.all(others.map((guest) => configuredIn(api, guest, wanted)));
  const running = others.filter(({ status }) => status === 'running').slice(0, ASK_INSIDE);
  const used = await Promise.all(running.map((guest) => usedBy(api, guest, wanted)));
  const configured = found.flat();
  // A guest mostly uses the address that it is configured with, so one warning suffices.
  return configured.length > 0 ? configured : used.flat();
}

async function configuredIn(api: OperationContext['api'], guest: GuestRow, wanted: readonly StaticAddress[]): Promise<string[]> {
  const config = await api.get<Record<string, unknown>>(`${guestPath(guest)}/config`).catch(() => ({}));
  const has = Object.entries(config ?? {})
    .filter((entry): entry is [string, string] => /^(ipconfig|net)\d+$/.test(entry[0]) && typeof entry[1] === 'string')
    .flatMap(([key, text]) => staticIn(key, text));
  return wanted.flatMap(({ key, address }) => {
    if (has.some((other) => sameAddress(other.address, address)))
      return [`${key}: ${address} is configured in ${labelOf(guest)} too: ${TWICE}`];
    const leads = has.some(({ gateway }) => gateway !== undefined && sameAddress(gateway, address));
    return leads ? [`${key}: ${address} is the gateway of ${labelOf(guest)}: it belongs to a router`] : [];
  });
}

async function usedBy(api: OperationContext['api'], guest: GuestRow, wanted: readonly StaticAddress[]): Promise<string[]> {
  const has = await addressesNow(api, guest);
  return wanted
    .filter(({ address }) => has.some((other) => sameAddress(other, address)))
    .map(({ key, address }) => `${key}: ${labelOf(guest)} uses ${address} now: ${TWICE}`);
}

/** The addresses only serve a warning, so an agent that does not answer is not waited for. */
async function addressesNow(api: OperationContext['api'], guest: GuestRow): Promise<string[]> {
  const signal = AbortSignal.timeout(INSIDE_MS);
  const soon = { get: <T>(path: string, params?: Record<string, string | number>) => api.get<T>(path, params, { signal }) };
  const { ip_addresses = [], other_addresses = [] } = await readGuest(soon, guest)
    .then((found) => addressesOf(soon, found))
    .catch((): Addresses => ({}));
  return [...ip_addresses, ...other_addresses];
}
