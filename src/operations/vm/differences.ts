import { plainText } from '../../core/text.ts';
import { bootDisk, disksOf, networksOf } from '../../proxmox/disks.ts';
import { memoryOf, tagsOf } from '../../proxmox/guests.ts';
import type { CreateArgs } from './create-vm.ts';
import type { Existing } from './existing.ts';
import { sameName } from './match.ts';
import { sortedTags } from './tags.ts';

/** What an existing guest has otherwise than it was asked for; only what was said counts. */
export function differencesFrom({ row, guest }: Existing, args: Partial<CreateArgs>): string[] {
  if (!guest) return [];
  const { config, identity, at } = guest;
  const boot = bootDisk(config, disksOf(config));
  const card = networksOf(at.type, config)[0];
  const flag = (value: string | undefined) => value === '1';
  const facts: [string, unknown, unknown][] = [
    ['name', args.name !== undefined && sameName(args.name, identity.name) ? identity.name : args.name, identity.name],
    ['vmid', args.vmid, identity.vmid],
    ['cores', args.cores, Number(config.cores ?? 1)],
    ['sockets', args.sockets, Number(config.sockets ?? 1)],
    ['memory', args.memory, memoryOf(config)],
    ['disk_gb', args.disk_gb, boot?.sizeGib],
    ['storage', args.storage, boot?.storage],
    ['ostype', args.ostype, config.ostype ?? 'other'],
    ['net_bridge', args.net_bridge, card?.bridge],
    ['vlan', args.vlan, card?.vlan],
    ['scsihw', args.scsihw, config.scsihw ?? 'lsi'],
    ['cpu', args.cpu, config.cpu ?? 'kvm64'],
    ['bios', args.bios, config.bios ?? 'seabios'],
    ['node', args.node, identity.node],
    ['pool', args.pool, row.pool ?? args.pool],
    ['tags', args.tags && sortedTags(args.tags), sortedTags(tagsOf(config.tags))],
    ['description', args.description?.trim(), config.description?.trim() ?? ''],
    ['onboot', args.onboot, flag(config.onboot)],
    ['protection', args.protection, flag(config.protection)],
  ];
  return facts
    .filter(([, asked, has]) => asked !== undefined && asked !== has)
    .map(([what, asked, has]) =>
      what === 'description'
        ? 'description differs'
        : `${what}: asked for ${plainText(String(asked), 60)}, has ${plainText(String(has ?? 'none'), 60)}`,
    );
}
