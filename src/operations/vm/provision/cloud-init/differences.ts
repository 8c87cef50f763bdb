import { present } from '../../../../core/defined.ts';
import { decoded } from '../../../../core/text/text.ts';
import type { Disk } from '../../../../proxmox/guest/disks.ts';
import { type Options, parseProperties } from '../../../../proxmox/guest/property-strings.ts';
import { differs } from '../../lib/match.ts';
import { type CloudInit, ipconfigsOf, serversOf } from './cloud-init.ts';

/** Which of the cloud-init values that were requested a guest has otherwise. Its password is never compared. */
export function cloudInitDifferences(asked: CloudInit, config: Options, disks: readonly Disk[]): string[] {
  if (!disks.some((d) => d.media === 'cloudinit')) return ['cloud_init: requested, has no cloud-init drive'];
  const texts: [string, string | undefined, string | undefined, (text: string) => string][] = [
    ['user', asked.user, config.ciuser, (text) => text],
    ['nameserver', asked.nameserver, config.nameserver, (text) => serversOf(text).join(' ')],
    ['searchdomain', asked.searchdomain, config.searchdomain, (text) => text.trim()],
    ...ipconfigsOf(asked).map(([key, value]): (typeof texts)[number] => [key, value, config[key], properties]),
  ];
  const upgrade = (config.ciupgrade ?? '1') === '1';
  return present(
    ...texts
      .filter(([, wanted, has, plain]) => wanted !== undefined && (has === undefined || plain(wanted) !== plain(has)))
      .map(([what, wanted, has]) => differs(`cloud_init.${what}`, wanted, has)),
    asked.password !== undefined &&
      `cloud_init.password: ${config.cipassword === undefined ? 'requested, has none' : 'cannot be compared'}`,
    !(asked.sshkeys === undefined || keys(asked.sshkeys) === keys(decoded(config.sshkeys ?? ''))) &&
      (config.sshkeys === undefined ? 'cloud_init.sshkeys: requested some, has none' : 'cloud_init.sshkeys differ'),
    !(asked.ciupgrade === undefined || asked.ciupgrade === upgrade) && differs('cloud_init.ciupgrade', asked.ciupgrade, upgrade),
  );
}

/** The text of an ipconfig without the order of its parts. */
export function properties(text: string): string {
  const parts = Object.entries(parseProperties(text.toLowerCase(), ''));
  return parts
    .map((part) => part.join('='))
    .sort()
    .join(',');
}

function keys(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return [...new Set(lines.filter((line) => line !== ''))].sort().join('\n');
}
