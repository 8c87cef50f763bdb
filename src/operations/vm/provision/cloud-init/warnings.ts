import { defined } from '../../../../core/defined.ts';
import { ipVersion, isLinkLocal, networks, sameAddress, staysHere } from '../../../../core/network.ts';
import type { Params } from '../../../../core/plan/plan.ts';
import { plainText } from '../../../../core/text/text.ts';
import { type Addresses, addressesOf } from '../../../../proxmox/guest/addresses.ts';
import { type GuestRow, guestPath, readGuest } from '../../../../proxmox/guest/guests.ts';
import { type Options, parseProperties } from '../../../../proxmox/guest/property-strings.ts';
import type { OperationContext } from '../../../define.ts';
import type { CloudInit } from './cloud-init.ts';

/** Above this many guests their configurations cost too many requests for a warning. */
const COMPARE_WITH = 50;
/** Running guests whose agents are asked for their addresses, and for how long (ms). */
const ASK_AGENTS = 10;
const AGENT_MS = 2_000;

/**
 * @param asked what this call says about cloud-init
 * @param config the options that the guest will have
 */
export function cloudInitWarnings(asked: CloudInit, config: Options | Params): string[] {
  const custom = parseProperties(typeof config.cicustom === 'string' ? config.cicustom : '', '');
  const users = (['user', 'password', 'sshkeys', 'ciupgrade'] as const).filter((key) => asked[key] !== undefined);
  const networks = Object.keys(asked).filter((key) => /^(ipconfig\d+|nameserver|searchdomain)$/.test(key));
  const noLogin = config.cipassword === undefined && config.sshkeys === undefined && custom.user === undefined;
  return [
    ...(noLogin ? ['cloud-init has neither a password nor SSH keys, so no user can log in'] : []),
    ...(custom.user !== undefined && users.length > 0 ? [replaced('user', custom.user, users)] : []),
    ...(custom.network !== undefined && networks.length > 0 ? [replaced('network', custom.network, networks)] : []),
    ...Object.keys(asked)
      .filter((key) => /^ipconfig\d+$/.test(key) && config[key.replace('ipconfig', 'net')] === undefined)
      .map((key) => `${key} has no effect: the guest has no network card ${key.replace('ipconfig', 'net')}`),
    ...staticAddresses(asked).flatMap(({ key, address, prefix, gateway }) =>
      gateway === undefined || isInside(gateway, address, prefix)
        ? []
        : [`${key}: the gateway ${gateway} is outside of ${address}/${prefix}, so the guest may not reach it`],
    ),
    ...staticAddresses(asked).flatMap(unusable),
    ...twice(staticAddresses(asked)),
  ];
}

function replaced(what: string, file: string, ignored: readonly string[]): string {
  return `the guest's cicustom (${what}=${plainText(file, 80)}) replaces ${what} data: ${ignored.join(', ')} ${ignored.length === 1 ? 'is' : 'are'} ignored`;
}

interface Static {
  key: string;
  address: string;
  prefix: number;
  gateway?: string;
}

function staticAddresses(asked: CloudInit): Static[] {
  return Object.entries(asked).flatMap(([key, text]) => {
    if (!/^ipconfig\d+$/.test(key) || typeof text !== 'string') return [];
    const { ip, gw, ip6, gw6 } = parseProperties(text, '');
    return [
      { cidr: ip, gateway: gw },
      { cidr: ip6, gateway: gw6 },
    ].flatMap(({ cidr, gateway }) => {
      const [address = '', bits] = cidr?.split('/') ?? [];
      return ipVersion(address) === undefined ? [] : [{ key, address, prefix: Number(bits), ...defined({ gateway }) }];
    });
  });
}

/** A route to a single address needs no subnet, and a link-local gateway is on every link. */
function isInside(gateway: string, address: string, prefix: number): boolean {
  const version = ipVersion(address);
  if (prefix === (version === 6 ? 128 : 32) || ipVersion(gateway) !== version) return true;
  return networks([`${address}/${prefix}`])(gateway) || (version === 6 && isLinkLocal(gateway));
}

/** An address that no guest can have there. A network of one or two addresses (RFC 3021) keeps none for itself. */
function unusable({ key, address, prefix, gateway }: Static): string[] {
  if (gateway !== undefined && sameAddress(gateway, address)) return [`${key}: the gateway ${gateway} is the address of the guest itself`];
  if (staysHere(address) && !isLinkLocal(address)) return [`${key}: ${address} leads to no other machine`];
  if (ipVersion(address) !== 4 || prefix > 30) return [];
  const hosts = 2 ** (32 - prefix);
  const host = address.split('.').reduce((number, part) => number * 256 + Number(part), 0) % hosts;
  const kept = host === 0 ? 'network' : host === hosts - 1 ? 'broadcast' : undefined;
  return kept === undefined ? [] : [`${key}: ${address} is the ${kept} address of its /${prefix}, which no guest can have`];
}

function twice(addresses: readonly Static[]): string[] {
  return addresses.flatMap(({ key, address }, index) => {
    const first = addresses.slice(0, index).find((other) => sameAddress(other.address, address));
    return first ? [`${address} is given twice: as ${first.key} and as ${key}`] : [];
  });
}

/** Static addresses of this call that another guest is configured with: two guests with one address disturb each other. */
export async function addressesInUse(
  { api }: Pick<OperationContext, 'api'>,
  asked: CloudInit | undefined,
  guests: readonly GuestRow[],
): Promise<string[]> {
  const wanted = asked ? staticAddresses(asked) : [];
  const others = guests.filter((g) => !g.template);
  if (wanted.length === 0 || others.length > COMPARE_WITH) return [];
  const found = await Promise.all(
    others.map(async (guest) => {
      const config = await api.get<Record<string, unknown>>(`${guestPath(guest)}/config`).catch(() => ({}));
      const has = Object.entries(config ?? {})
        .filter(([key, text]) => /^(ipconfig|net)\d+$/.test(key) && typeof text === 'string')
        .flatMap(([, text]) => Object.entries(parseProperties(String(text), '')))
        .filter(([name]) => name === 'ip' || name === 'ip6')
        .map(([, cidr]) => cidr.split('/')[0] ?? '');
      return wanted
        .filter(({ address }) => has.some((other) => sameAddress(other, address)))
        .map(({ key, address }) => `${key}: ${address} is configured in ${nameOf(guest)} too: ${TWICE}`);
    }),
  );
  const used = await Promise.all(
    others
      .filter(({ type, status }) => type === 'qemu' && status === 'running')
      .slice(0, ASK_AGENTS)
      .map(async (guest) => {
        const has = await addressesNow(api, guest);
        return wanted
          .filter(({ address }) => has.some((other) => sameAddress(other, address)))
          .map(({ key, address }) => `${key}: ${nameOf(guest)} uses ${address} now: ${TWICE}`);
      }),
  );
  const configured = found.flat();
  // A guest that is configured with an address most often uses it, too: that is said once.
  return configured.length > 0 ? configured : used.flat();
}

const TWICE = 'two guests with one address disturb each other';

function nameOf({ name, vmid }: GuestRow): string {
  return `${plainText(name, 80) || 'a guest'} (${vmid})`;
}

/** An agent that does not answer is not worth a wait: it is asked for a warning. */
async function addressesNow(api: OperationContext['api'], guest: GuestRow): Promise<string[]> {
  const signal = AbortSignal.timeout(AGENT_MS);
  const soon = { get: <T>(path: string, params?: Record<string, string | number>) => api.get<T>(path, params, { signal }) };
  const read = async (): Promise<Addresses> => addressesOf(soon, await readGuest(soon, guest));
  const { ip_addresses = [], other_addresses = [] } = await read().catch((): Addresses => ({}));
  return [...ip_addresses, ...other_addresses];
}
