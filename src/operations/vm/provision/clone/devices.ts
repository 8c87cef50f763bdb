import { fail } from '../../../../core/errors/errors.ts';
import { byNumber } from '../../../../core/text/order.ts';
import type { Disk } from '../../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../../proxmox/guest/guests.ts';
import { type Options, parseProperties } from '../../../../proxmox/guest/property-strings.ts';
import { label } from '../../lib/target.ts';

/**
 * Proxmox copies everything and refuses the move only then: "can't migrate VM which uses local devices".
 * @throws not_possible
 */
export function refuseHostDevices(source: Guest, to: string): void {
  const devices = hostDevices(source.config);
  if (devices.length === 0) return;
  fail('not_possible', `A clone of ${label(source)} cannot move to ${to}: it has ${devices.join(', ')} of ${source.at.node}.`, {
    hint: 'Clone without target_node, or ask the operator to map the device in Datacenter > Resource Mappings.',
    details: { devices },
  });
}

/** @param local drives whose medium the nodes do not share @throws not_possible: "local cdrom image" */
export function refuseInsertedIso(source: Guest, local: readonly Disk[], to: string): void {
  const iso = local.find((d) => d.media === 'cdrom');
  if (iso)
    fail('not_possible', `A clone of ${label(source)} cannot move to ${to}: ${iso.volid} is inserted as ${iso.slot}.`, {
      hint: 'Clone without target_node, take it out of the clone with iso none of update_vm, then call migrate_vm.',
    });
}

/** Options that name a device of one node. Mapped devices, USB redirected by SPICE and serial sockets are on every node. */
function hostDevices(config: Options): string[] {
  return Object.keys(config)
    .filter((key) => /^(?:(?:hostpci|usb|serial|parallel)\d+|ivshmem)$/.test(key) && isOfHost(key, config[key] ?? ''))
    .sort(byNumber);
}

function isOfHost(key: string, value: string): boolean {
  const { host, mapping } = parseProperties(value, 'host');
  if (key.startsWith('hostpci') || key.startsWith('usb')) return mapping === undefined && host?.toLowerCase() !== 'spice';
  return !(key.startsWith('serial') && value === 'socket');
}
