import { defined } from '../../../core/defined.ts';
import { numberOf } from '../../../core/text/sizes.ts';
import { decoded, plainText } from '../../../core/text/text.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { memoryOf } from '../../../proxmox/guest/guests.ts';
import { agentEnabled } from '../../../proxmox/guest/property-strings.ts';

/** Shown elsewhere in the answer, or of no use to an agent. */
const LEFT_OUT =
  /^(net\d+|(ide|sata|scsi|virtio|unused|mp)\d+|efidisk0|tpmstate0|rootfs|description|lock|tags|template|protection|name|hostname|smbios1|vmgenid|meta|parent)$/;
const CLOUD_INIT = /^(ciuser|cipassword|sshkeys|ipconfig\d+|nameserver|searchdomain|ciupgrade|citype|cicustom)$/;

/** The configuration as an agent needs it: names as in set_resources and create_vm, no defaults, no secrets. Pending values included. */
export function compactConfig(guest: Guest): Record<string, unknown> {
  const { config, at } = guest;
  const rest = Object.entries(config).filter(([key]) => !LEFT_OUT.test(key) && !CLOUD_INIT.test(key) && !(key in SHOWN));
  const cloudInit = cloudInitView(guest);
  return {
    ...(at.type === 'qemu' ? { cores: Number(config.cores ?? 1), sockets: Number(config.sockets ?? 1) } : {}),
    ...(at.type === 'lxc' && config.cores !== undefined ? { cores: Number(config.cores) } : {}),
    memory_mb: memoryOf(config),
    ...defined({ balloon: numberOf(config.balloon) }),
    ...(at.type === 'qemu' ? { agent: agentEnabled(config.agent) } : {}),
    ...(config.onboot === '1' ? { onboot: true } : {}),
    ...Object.fromEntries(rest.sort().map(([key, value]) => [plainText(key, 40), plainText(value, 200)])),
    ...defined({ cloud_init: cloudInit }),
  };
}

const SHOWN = { cores: 1, sockets: 1, memory: 1, balloon: 1, agent: 1, onboot: 1 };

function cloudInitView({ config, at }: Guest): Record<string, unknown> | undefined {
  if (at.type !== 'qemu') return undefined;
  const keys = Object.keys(config).filter((key) => CLOUD_INIT.test(key));
  if (keys.length === 0) return undefined;
  const shown = Object.fromEntries(
    keys
      .filter((key) => key !== 'cipassword' && key !== 'sshkeys')
      .sort()
      .map((key) => [key === 'ciuser' ? 'user' : key, plainText(config[key] ?? '', 200)]),
  );
  const sshKeys = decoded(config.sshkeys ?? '')
    .split('\n')
    .filter((line) => line.trim() !== '').length;
  return { ...shown, ...(sshKeys > 0 ? { ssh_keys: sshKeys } : {}), ...(config.cipassword === undefined ? {} : { password: 'set' }) };
}

/** Every option as Proxmox has it, except notes and secrets. */
export function rawConfig({ config }: Guest): Record<string, string> {
  const hidden = /^(description|cipassword)$/;
  return Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => !hidden.test(key))
      .sort()
      .map(([key, value]) => [plainText(key, 40), plainText(value, 500)]),
  );
}
