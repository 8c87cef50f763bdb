import { createHash } from 'node:crypto';
import { may } from '../../access/permissions.ts';
import { type Context, guestOf, needed, type Routes, refuseLocked, takeLock, vmidOf } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import { driveKeys, isCloudInit, pendingConfig } from '../../guest/config.ts';
import type { Config, Guest } from '../../model.ts';

const KEYS = ['ciuser', 'cipassword', 'nameserver', 'searchdomain', 'sshkeys'];

function keysOf(config: Config): string[] {
  return decodeURIComponent(config.sshkeys ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

function userData(guest: Guest, password: string): string {
  const { config } = guest;
  const hostname = config.name ?? `VM${guest.vmid}`;
  const domain = splitList(config.searchdomain ?? '')[0];
  const lines = [
    '#cloud-config',
    `hostname: ${hostname}`,
    'manage_etc_hosts: true',
    `fqdn: ${domain ? `${hostname}.${domain}` : hostname}`,
  ];
  if (config.ciuser) lines.push(`user: ${config.ciuser}`);
  if (config.cipassword) lines.push(`password: ${password}`);
  const keys = keysOf(config);
  if (keys.length > 0) lines.push('ssh_authorized_keys:', ...keys.map((key) => `  - ${key}`));
  lines.push('chpasswd:', '  expire: False');
  if (config.ciuser !== 'root') lines.push('users:', '  - default');
  if (config.ciupgrade !== '0') lines.push('package_upgrade: true');
  return `${lines.join('\n')}\n`;
}

function netmask(prefix: number): string {
  return [0, 8, 16, 24].map((shift) => 256 - 2 ** (8 - Math.max(0, Math.min(8, prefix - shift)))).join('.');
}

/** Without a name server of its own, a guest gets that of its node. */
function networkData(guest: Guest, dns: string): string {
  const { config } = guest;
  const lines = ['version: 1', 'config:'];
  for (const key of Object.keys(config)
    .filter((name) => /^net\d+$/.test(name))
    .sort()) {
    const index = key.slice(3);
    const mac = (/=([0-9A-F:]{17})/i.exec(config[key] ?? '')?.[1] ?? '').toLowerCase();
    lines.push('    - type: physical', `      name: eth${index}`, `      mac_address: '${mac}'`, '      subnets:');
    const settings = Object.fromEntries((config[`ipconfig${index}`] ?? '').split(',').map((part) => part.split('=') as [string, string]));
    const [address, prefix] = (settings.ip ?? '').split('/');
    if (settings.ip === 'dhcp') lines.push('      - type: dhcp4');
    else if (address && prefix) {
      lines.push('      - type: static', `        address: '${address}'`, `        netmask: '${netmask(Number(prefix))}'`);
      if (settings.gw) lines.push(`        gateway: '${settings.gw}'`);
    }
  }
  lines.push('    - type: nameserver', '      address:', ...splitList(config.nameserver ?? dns).map((server) => `      - '${server}'`));
  const domains = splitList(config.searchdomain ?? '');
  if (domains.length > 0) lines.push('      search:', ...domains.map((domain) => `      - '${domain}'`));
  return `${lines.join('\n')}\n`;
}

function dump(context: Context): string {
  const found = guestOf(context);
  const guest = { ...found, config: pendingConfig(found) };
  const dns = context.world.get('node', found.node)?.dns ?? '';
  // A user who may only read does not see the hash.
  const mayChange = may(context.world, context.who, `/vms/${guest.vmid}`, ['VM.Config.Cloudinit']);
  const shown = mayChange ? (guest.config.cipassword ?? '') : '**********';
  switch (needed(context, 'type')) {
    case 'user':
      return userData(guest, shown);
    case 'network':
      return networkData(guest, dns);
    default:
      return `instance-id: ${createHash('sha1')
        .update(userData(guest, guest.config.cipassword ?? '') + networkData(guest, dns))
        .digest('hex')}\n`;
  }
}

/** The present and the wanted content of the drive; it is rebuilt at once here, so nothing stays pending. */
function pending(context: Context): unknown {
  const { config } = guestOf(context);
  const keys = Object.keys(config).filter((key) => KEYS.includes(key) || /^(ipconfig\d+)$/.test(key));
  return keys
    .filter((key) => !key.startsWith('ipconfig'))
    .map((key) => ({ key, value: key === 'cipassword' ? '**********' : config[key] }));
}

function regenerate(context: Context): null {
  takeLock(context, vmidOf(context));
  const guest = guestOf(context);
  refuseLocked(guest);
  if (!driveKeys(guest.config).some((key) => isCloudInit(guest.config[key] as string))) refuse('no cloud-init drive found');
  return null;
}

export const CLOUD_INIT_ROUTES: Routes = {
  'GET /nodes/{node}/qemu/{vmid}/cloudinit': pending,
  'PUT /nodes/{node}/qemu/{vmid}/cloudinit': regenerate,
  'GET /nodes/{node}/qemu/{vmid}/cloudinit/dump': dump,
};
