import { isIP, isIPv4, isIPv6 } from 'node:net';

/** A check returns what is wrong with the text, or nothing. Texts are the implementation's own. */
type Check = (text: string) => string | undefined;

const DNS = /^(([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)\.)*([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)$/;
const NODE = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const USER = /^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$/;
const BOOT_DEVICE = /^((ide|sata|scsi|virtio|net|usb|hostpci)\d+|efidisk0|tpmstate0|cdrom)$/;

const matches =
  (pattern: RegExp, complaint: string | ((text: string) => string)): Check =>
  (text) =>
    pattern.test(text) ? undefined : typeof complaint === 'string' ? complaint : complaint(text);

function cidr(text: string, version: 4 | 6): boolean {
  const [address = '', prefix = ''] = text.split('/');
  return /^\d{1,3}$/.test(prefix) && isIP(address) === version && Number(prefix) <= (version === 4 ? 32 : 128);
}

const volume: Check = matches(/^[a-z][a-z0-9\-_.]*[a-z0-9]:.+$/i, (text) => `unable to parse volume ID '${text}'`);

const CHECKS: Record<string, Check> = {
  'pve-configid': matches(/^[a-z][a-z0-9_-]+$/i, (text) => `invalid configuration ID '${text}'`),
  'pve-storage-id': matches(/^[a-z][a-z0-9\-_.]*[a-z0-9]$/i, (text) => `storage ID '${text}' contains illegal characters`),
  'pve-vmid': matches(/^[1-9][0-9]{2,8}$/, 'value does not look like a valid VM ID'),
  'pve-node': matches(NODE, 'value does not look like a valid node name'),
  'pve-poolid': matches(/^[A-Za-z0-9.\-_]+(?:\/[A-Za-z0-9.\-_]+){0,2}$/, (text) => `pool name '${text}' contains invalid characters`),
  'pve-bridge-id': matches(/^[-_.\w\d]+$/, 'invalid bridge'),
  'pve-tag': matches(/^[a-z0-9_][a-z0-9_\-+.]*$/i, 'invalid characters in tag'),
  'dns-name': matches(DNS, 'value does not look like a valid DNS name'),
  'mac-addr': matches(/^[a-f0-9][02468ace](?::[a-f0-9]{2}){5}$/i, 'value does not look like a valid unicast MAC address'),
  ip: (text) => (isIP(text) ? undefined : 'value does not look like a valid IP address'),
  ipv4: (text) => (isIPv4(text) ? undefined : 'value does not look like a valid IPv4 address'),
  ipv6: (text) => (isIPv6(text) ? undefined : 'value does not look like a valid IPv6 address'),
  address: (text) => (isIP(text) || DNS.test(text) ? undefined : 'value does not look like a valid address: '.concat(text)),
  CIDR: (text) => (cidr(text, 4) || cidr(text, 6) ? undefined : 'value does not look like a valid CIDR network'),
  CIDRv4: (text) => (cidr(text, 4) ? undefined : 'value does not look like a valid IPv4 network'),
  CIDRv6: (text) => (cidr(text, 6) ? undefined : 'value does not look like a valid IPv6 network'),
  'pve-ipv4-config': (text) =>
    text === 'dhcp' || text === 'manual' || cidr(text, 4) ? undefined : 'value does not look like a valid ipv4 network configuration',
  'pve-ipv6-config': (text) =>
    ['auto', 'dhcp', 'manual'].includes(text) || cidr(text, 6) ? undefined : 'value does not look like a valid ipv6 network configuration',
  'disk-size': matches(/^(\d+(\.\d+)?)([KMGT](?:iB)?)?$/, (text) => `value does not look like a valid disk size: ${text}`),
  'pve-startup-order': (text) =>
    text.split(',').every((part) => /^((order=)?\d+|(up|down)=\d+)$/.test(part)) ? undefined : 'unable to parse startup options',
  'pve-hotplug-features': (text) =>
    text === '1' || text === '0' || text.split(/[,;]/).every((part) => /^(network|disk|cpu|memory|usb|cloudinit)$/.test(part))
      ? undefined
      : 'unable to parse hotplug option',
  'pve-qm-bootdev': matches(BOOT_DEVICE, (text) => `invalid boot device '${text}'`),
  'pve-qm-bootdisk': matches(/^(ide|sata|scsi|virtio)\d+$/, (text) => `invalid boot disk '${text}'`),
  'pve-volume-id': volume,
  'pve-volume-id-or-qm-path': (text) =>
    text === 'none' || text === 'cdrom' || text === 'cloudinit' || text.startsWith('/') ? undefined : volume(text),
  'pve-volume-id-or-absolute-path': (text) => (text.startsWith('/') ? undefined : volume(text)),
  urlencoded: matches(/^[-%a-zA-Z0-9_.!~*'()]*$/, (text) => `invalid urlencoded string: ${text}`),
  'pve-userid': matches(USER, (text) => `value '${text}' does not look like a valid user name`),
  'pve-tokenid': matches(/^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+$/, 'value does not look like a valid token ID'),
  'pve-realm': matches(/^[A-Za-z][A-Za-z0-9.\-_]+$/, (text) => `value '${text}' does not look like a valid realm`),
  'pve-roleid': matches(/^[A-Za-z0-9.\-_]+$/, (text) => `role name '${text}' contains invalid characters`),
  'pve-groupid': matches(/^[A-Za-z0-9.\-_]+$/, (text) => `group name '${text}' contains invalid characters`),
  'pve-iface': matches(/^[a-zA-Z][a-zA-Z0-9_]{1,20}([:.]\d+)?$/, (text) => `invalid network interface name '${text}'`),
  'pve-ha-resource-or-vm-id': matches(/^(?:(?:vm|ct):)?\d+$/, (text) => `value '${text}' does not look like a valid resource id`),
};

/** Formats whose valid words the caller supplies (privileges). */
export function registerFormat(name: string, check: Check): void {
  CHECKS[name] = check;
}

/**
 * Checks a text against a named format; `-list` and `-opt` variants follow from the plain one.
 * A name that is not checked here (certificate chains, calendar events …) passes.
 */
export function checkFormat(name: string, text: string): string | undefined {
  const direct = CHECKS[name];
  if (direct) return direct(text);
  if (name.endsWith('-list')) {
    const single = name.slice(0, -5);
    for (const part of splitList(text)) {
      const wrong = checkFormat(single, part);
      if (wrong) return wrong;
    }
    return undefined;
  }
  if (name.endsWith('-opt')) return text === '' ? undefined : checkFormat(name.slice(0, -4), text);
  return undefined;
}

/** Commas, semicolons, NULs and white space all separate. */
export function splitList(text: string): string[] {
  return text.split(/[,;\0\s]+/).filter((part) => part !== '');
}
