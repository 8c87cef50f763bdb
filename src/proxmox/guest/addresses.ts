import { asError, fail, type ProxmoxMcpError } from '../../core/errors/errors.ts';
import { ipVersion, staysHere } from '../../core/network.ts';
import type { GetApi } from '../../core/proxmox.ts';
import { plainText } from '../../core/text/text.ts';
import { networksOf } from './disks.ts';
import { type Guest, type GuestAt, guestPath } from './guests.ts';
import { agentEnabled } from './property-strings.ts';

const MAX_ADDRESSES = 32;

export interface Addresses {
  /** Of the network devices of the configuration, known by their MAC, in the order net0, net1, … */
  ip_addresses?: string[];
  /** Of everything else in the guest: bridges of containers, VPNs, passed-through cards. */
  other_addresses?: string[];
  ip_note?: string;
  /** By the MAC of the network device, in lower case. */
  byMac?: Map<string, string[]>;
}

/** The interfaces that a guest reports, or the error instead. */
export type Inside = { cards: Card[] } | { error: ProxmoxMcpError };

/**
 * IP addresses of a running guest without loopback, link-local and unspecified ones. The agent of a VM tells them
 * (`GET …/agent/network-get-interfaces`), and the host those of a container (`GET …/interfaces`). Without an answer `ip_note` says why.
 */
export async function addressesOf(api: GetApi, guest: Guest): Promise<Addresses> {
  return hasInside(guest) ? addressesFrom(guest, await askInside(api, guest.at)) : addressesFrom(guest, undefined);
}

/** Whether a running guest can be asked for its addresses: a VM only through its agent. */
export function hasInside(guest: Guest): boolean {
  return guest.at.type === 'lxc' || agentEnabled(guest.live.agent);
}

/** Asks a guest that runs, or may run, for its interfaces. Never rejects, so that a caller may ignore the answer. */
export async function askInside(api: GetApi, at: GuestAt): Promise<Inside> {
  try {
    return { cards: at.type === 'qemu' ? await fromAgent(api, at) : await fromHost(api, at) };
  } catch (thrown) {
    return { error: asError(thrown) };
  }
}

/**
 * The addresses by what the guest's inside answered.
 * @param inside undefined where it was not asked, because no agent is enabled
 */
export function addressesFrom(guest: Guest, inside: Inside | undefined): Addresses {
  if (!inside || !hasInside(guest)) return { ip_note: 'the guest agent is not enabled for this VM, so its addresses are unknown' };
  if ('cards' in inside) return sorted(guest, inside.cards);
  const { code, message } = inside.error;
  if (code === 'permission_denied')
    return { ip_note: 'the token lacks VM.GuestAgent.Audit (before 9.0: VM.Monitor), so addresses are unknown' };
  // An agent that does not answer yet, or a guest that stopped meanwhile, does not fail the read.
  const known = code === 'guest_state' || code === 'unreachable';
  // Anything else may be words of the agent, and those come out of the guest.
  return { ip_note: `addresses are unknown: ${known ? plainText(message, 200) : 'the guest agent answered with an error'}` };
}

/** An interface inside the guest. */
interface Card {
  name: string;
  mac: string;
  addresses: string[];
}

/** Made by software inside the guest, mostly for its own containers. */
const VIRTUAL = /^(docker|br-|veth|virbr|cni|flannel|cali|cilium|lxc|lxdbr|podman|kube|tun|tap|wg|tailscale|zt)/;

function sorted(guest: Guest, cards: readonly Card[]): Addresses {
  const macs = networksOf(guest.at.type, guest.live).map((net) => net.mac?.toLowerCase());
  const known = macs.flatMap((mac) => cards.filter((card) => mac !== undefined && card.mac === mac));
  const others = cards.filter((card) => !known.includes(card));
  // A passed-through card has no MAC in the configuration. Then names tell which cards software made.
  const first = known.length > 0 ? known : others.filter((card) => !VIRTUAL.test(card.name));
  const ips = addressesIn(first);
  const rest = addressesIn(others.filter((card) => !first.includes(card))).filter((ip) => !ips.includes(ip));
  const byMac = new Map(macs.flatMap((mac) => (mac === undefined ? [] : [[mac, addressesIn(cards.filter((card) => card.mac === mac))]])));
  return { ip_addresses: ips, ...(rest.length > 0 ? { other_addresses: rest } : {}), byMac };
}

function addressesIn(cards: readonly Card[]): string[] {
  const useful = cards.flatMap((card) => card.addresses).filter(leadsSomewhere);
  return [...new Set(useful)].slice(0, MAX_ADDRESSES);
}

function leadsSomewhere(ip: string): boolean {
  return ipVersion(ip) !== undefined && !staysHere(ip);
}

/** A row of an agent or of the host. Every part of it comes out of the guest and may be missing or of another type. */
interface Row {
  name?: unknown;
  'hardware-address'?: unknown;
  hwaddr?: unknown;
  inet?: unknown;
  inet6?: unknown;
  'ip-addresses'?: unknown;
}

async function fromAgent(api: GetApi, at: GuestAt): Promise<Card[]> {
  const answer = await api.get<{ result?: Row[] } | null>(`${guestPath(at)}/agent/network-get-interfaces`);
  // An agent that lacks the command answers `{result: {error: …}}` with 200.
  if (!Array.isArray(answer?.result)) fail('proxmox_refused', 'The guest agent answered without a list of interfaces.');
  return rowsOf(answer.result).map(cardOf);
}

/** `inet` and `inet6` hold one address of a family, and for IPv6 often the link-local one; `ip-addresses` (from 8.4 on) holds all. */
async function fromHost(api: GetApi, at: GuestAt): Promise<Card[]> {
  return rowsOf(await api.get<Row[] | null>(`${guestPath(at)}/interfaces`)).map(cardOf);
}

function cardOf(row: Row): Card {
  const listed = rowsOf<{ 'ip-address'?: unknown }>(row['ip-addresses']).map((a) => a['ip-address']);
  const words = [...listed, row.inet, row.inet6].flatMap((a) => (typeof a === 'string' ? [a] : []));
  return {
    name: String(row.name ?? ''),
    mac: String(row['hardware-address'] ?? row.hwaddr ?? '').toLowerCase(),
    // Without prefix length and zone. A guest can make its agent answer with any text.
    addresses: words.map((text) => text.trim().split(/[/%]/)[0] ?? ''),
  };
}

function rowsOf<T = Row>(rows: unknown): T[] {
  return Array.isArray(rows) ? rows.filter((row) => typeof row === 'object' && row !== null) : [];
}
