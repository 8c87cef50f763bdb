import type { GuestType } from '../../core/guest.ts';

/** Privileges of which one is needed to change an option, from the sources of qemu-server and measured on Proxmox VE 9.2. Drives have a rule of their own. */
const VM: readonly [RegExp, ...string[]][] = [
  [/^(cores|sockets|cpu|cpulimit|cpuunits|vcpus|smp|numa\d*)$/, 'VM.Config.CPU'],
  [/^(memory|balloon|shares|allow-ksm)$/, 'VM.Config.Memory'],
  [/^net\d+$/, 'VM.Config.Network'],
  [/^(ci\w+|sshkeys|ipconfig\d+|nameserver|searchdomain)$/, 'VM.Config.Network', 'VM.Config.Cloudinit'],
  [/^(boot|bootdisk|vmstatestorage|unused\d+)$/, 'VM.Config.Disk'],
  [/^(acpi|audio0|hotplug|kvm|machine|rng0|scsihw|smbios1|tablet|vga|watchdog|serial\d+|usb\d+)$/, 'VM.Config.HWType'],
  [/^(name|tags|description|onboot|protection|agent|ostype|startup|bios|autostart|keyboard|localtime|reboot)$/, 'VM.Config.Options'],
  [/^(startdate|template|tdf|migrate_downtime|migrate_speed)$/, 'VM.Config.Options'],
  [/^freeze$/, 'VM.PowerMgmt'],
];
/** The same of pve-container, which asks for VM.Config.Options for all others. */
const CONTAINER: readonly [RegExp, ...string[]][] = [
  [/^(cores|cpulimit|cpuunits|cpus)$/, 'VM.Config.CPU'],
  [/^(memory|swap)$/, 'VM.Config.Memory'],
  [/^(net\d+|nameserver|searchdomain|hostname)$/, 'VM.Config.Network'],
  [/^(rootfs|mp\d+|unused\d+)$/, 'VM.Config.Disk'],
  [/./, 'VM.Config.Options'],
];
/** A drive of a VM; its content decides which privilege it needs. */
export const DRIVE = /^(?:(?:ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0|cdrom)$/;
/** A volume or folder in a container. */
export const MOUNT = /^(?:rootfs|mp\d+)$/;

/** The privileges of which one allows to change an option; none for a drive, and for an option that is not known here. */
export function privilegesFor(type: GuestType, option: string): string[] {
  const [, ...privileges] = (type === 'qemu' ? VM : CONTAINER).find(([name]) => name.test(option)) ?? [/./];
  return privileges;
}

/**
 * Proxmox refuses a change of a configuration with every VM.Config privilege as an alternative when the token has none of them. A token with one
 * of them is asked for the right one.
 * @param names of the parameters that were sent
 * @returns the privileges that these need; none when the alternatives are not of that kind
 */
export function neededOf(alternatives: readonly string[], names: readonly string[]): string[] {
  if (alternatives.length < 3 || !alternatives.every((one) => one.startsWith('VM.Config.'))) return [];
  const type = alternatives.includes('VM.Config.CDROM') ? 'qemu' : 'lxc';
  const needed = names.flatMap((name) => (DRIVE.test(name) ? ['VM.Config.Disk'] : privilegesFor(type, name).slice(0, 1)));
  return [...new Set(needed)].filter((privilege) => alternatives.includes(privilege));
}
