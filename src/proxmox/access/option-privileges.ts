/** Which privilege a change of an option needs, by the options that this product sends; of the source of Proxmox VE's qemu-server and pve-container. */
const OPTIONS: readonly [RegExp, string][] = [
  [/^(cores|sockets|cpu|cpulimit|cpuunits|vcpus|numa)$/, 'VM.Config.CPU'],
  [/^(memory|balloon|shares|swap)$/, 'VM.Config.Memory'],
  [/^(net\d+|ciuser|cipassword|sshkeys|ipconfig\d+|nameserver|searchdomain)$/, 'VM.Config.Network'],
  [/^((scsi|virtio|sata|ide|efidisk|tpmstate|unused|mp)\d+|rootfs|boot)$/, 'VM.Config.Disk'],
  [/^(scsihw|bios|machine|vga|serial\d+)$/, 'VM.Config.HWType'],
  [/^(name|hostname|tags|description|onboot|protection|agent|ostype|startup)$/, 'VM.Config.Options'],
];

/**
 * A change of a configuration is refused with every VM.Config privilege as an alternative when the token has none of them, and asks for the right
 * one afterwards.
 * @param names of the parameters that were sent
 * @returns the privileges that these need; none when the alternatives are not of that kind
 */
export function neededOf(alternatives: readonly string[], names: readonly string[]): string[] {
  if (alternatives.length < 3 || !alternatives.every((one) => one.startsWith('VM.Config.'))) return [];
  return privilegesOf(names).filter((privilege) => alternatives.includes(privilege));
}

/** The privileges that options need, each once. */
export function privilegesOf(names: readonly string[]): string[] {
  return [...new Set(names.flatMap((name) => OPTIONS.filter(([option]) => option.test(name)).map(([, privilege]) => privilege)))];
}
