import type { Config, Guest } from '../model.ts';
import type { World } from '../world.ts';
import { DRIVE_KEY, freeKey, isCdrom, isCloudInit, option, volumeOf } from './config.ts';
import { freeByName, ownerOf } from './volumes.ts';

/** Take effect on a running guest at once, whatever is hotpluggable. */
const AT_ONCE = new Set(
  'description hookscript lock migrate_downtime migrate_speed name onboot protection shares startup tags vmstatestorage cpulimit cpuunits'
    .split(' ')
    .concat('cicustom cipassword citype ciupgrade ciuser nameserver searchdomain sshkeys'.split(' ')),
);

function features(guest: Guest): Set<string> {
  const listed = guest.config.hotplug ?? 'network,disk,usb';
  return new Set(listed === '1' ? ['network', 'disk', 'usb'] : listed === '0' ? [] : listed.split(/[,;]/));
}

/** Whether a change of that key reaches a running guest without a restart. */
export function isLive(guest: Guest, key: string, value: string | undefined): boolean {
  if (!guest.running || AT_ONCE.has(key) || /^(ipconfig|unused)\d+$/.test(key)) return true;
  const able = features(guest);
  // The balloon device itself is not hot-pluggable, only the size of the balloon is.
  if (key === 'balloon') return (guest.config.balloon === '0') === (value === '0');
  // Hot-pluggable options change at once, except memory.
  if (key === 'hotplug') return !able.has('memory') && !/memory/.test(value ?? '');
  if (/^net\d+$/.test(key)) return able.has('network');
  if (/^(scsi|virtio)\d+$/.test(key)) return able.has('disk');
  if (DRIVE_KEY.test(key))
    return value !== undefined && isCdrom(value) && guest.config[key] !== undefined && isCdrom(guest.config[key] as string);
  if (key === 'cores' || key === 'sockets' || key === 'vcpus') return able.has('cpu') && key === 'vcpus';
  if (key === 'memory') return able.has('memory') && guest.config.numa === '1';
  return false;
}

/** A drive leaves its slot: a disk of the guest's own becomes `unusedN`, anything else is only detached. */
export function release(config: Config, key: string, vmid: number): void {
  const value = config[key];
  delete config[key];
  if (value === undefined || !DRIVE_KEY.test(key) || isCdrom(value) || isCloudInit(value)) return;
  const volid = volumeOf(value);
  if (ownerOf(volid) !== vmid) return;
  const known = Object.entries(config).some(([other, stored]) => /^unused\d+$/.test(other) && stored === volid);
  if (!known) config[freeKey(config, 'unused')] = volid;
}

export const hasBridge = (world: World, node: string, bridge: string): boolean =>
  world.get('node', node)?.bridges.some(({ iface }) => iface === bridge) === true;

/** Devices that the guest boots from, in order. */
export const bootOrder = (config: Config): string[] => /order=([^,]*)/.exec(config.boot ?? '')?.[1]?.split(';') ?? [];

/** MiB of memory that a guest with memory hotplug boots with; it cannot be unplugged (Memory.pm of Proxmox's qemu-server). */
const STATIC_MEMORY_MIB = 1024;

/** Why a live change fails all the same; it then stays pending. `value` is absent for a removal. */
export function hotplugProblem(world: World, guest: Guest, key: string, value: string | undefined): string | undefined {
  if (!guest.running) return undefined;
  if (value === undefined)
    return bootOrder(guest.config).includes(key) && DRIVE_KEY.test(key) ? `can't unplug bootdisk '${key}'` : undefined;
  if (key === 'memory' && Number(value) < STATIC_MEMORY_MIB) return `memory can't be lower than ${STATIC_MEMORY_MIB} MB`;
  const bridge = /^net\d+$/.test(key) ? option(value, 'bridge') : undefined;
  if (bridge === undefined || hasBridge(world, guest.node, bridge)) return undefined;
  return guest.config[key] === undefined ? `bridge '${bridge}' does not exist` : `interface ${bridge} does not exist`;
}

/** Whether a snapshot needs the volume. CD and cloud-init drives are not counted. */
export const inSnapshot = (guest: Guest, volid: string): boolean =>
  Object.values(guest.snapshots).some(({ config }) => Object.values(config).some((value) => !isCdrom(value) && volumeOf(value) === volid));

/**
 * Applies pending changes, at a stop and at a start: removed disks become unused, or are destroyed where that was asked for.
 * The destruction of a disk that a snapshot refers to stays pending.
 */
export function settlePending(world: World, guest: Guest): void {
  const kept: Guest['pendingDelete'] = {};
  for (const [key, how] of Object.entries(guest.pendingDelete)) {
    const value = guest.config[key];
    if (value !== undefined && how === '2' && inSnapshot(guest, volumeOf(value))) {
      kept[key] = how;
      continue;
    }
    if (value !== undefined && DRIVE_KEY.test(key) && (how === '2' || isCloudInit(value))) {
      freeByName(world, guest.node, volumeOf(value));
      delete guest.config[key];
    } else release(guest.config, key, guest.vmid);
  }
  for (const [key, value] of Object.entries(guest.pending)) {
    const before = guest.config[key];
    if (before !== undefined && DRIVE_KEY.test(key) && volumeOf(before) !== volumeOf(value)) release(guest.config, key, guest.vmid);
    guest.config[key] = value;
  }
  guest.pending = {};
  guest.pendingDelete = kept;
}
