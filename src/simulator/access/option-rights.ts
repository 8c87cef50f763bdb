import { type Context, text } from '../context.ts';
import { forbid, refuse } from '../errors.ts';
import { DRIVE_KEY, isCdrom, isCloudInit } from '../guest/config.ts';
import { driveKind } from '../guest/drives.ts';
import type { Config } from '../model.ts';
import { demand, may, requireVm } from './permissions.ts';

const words = (text: string): Set<string> => new Set(text.split(' '));

const CPU = words('cores cpu cpulimit cpuunits numa smp sockets vcpus');
const MEMORY = words('allow-ksm balloon memory shares');
const HARDWARE = words('acpi audio0 hotplug kvm machine rng0 scsihw smbios1 tablet vga watchdog');
const GENERAL = words(
  'agent autostart bios description keyboard localtime migrate_downtime migrate_speed name onboot ostype protection reboot startdate startup tags tdf template',
);
const DISK = words('boot bootdisk vmstatestorage');
const CLOUD_INIT = words('cicustom cipassword citype ciupgrade ciuser nameserver searchdomain sshkeys');

/** Privileges for options of a virtual machine, key by key. Drives, and which tags, are looked at elsewhere; unknown keys belong to root alone. */
export function checkOptionRights(context: Context, vmid: number, pool: string | undefined, keys: string[]): void {
  const { world, who } = context;
  const need = (privs: string[], any = false) => requireVm(world, who, { vmid, pool }, privs, any);
  for (const key of keys) {
    if (DRIVE_KEY.test(key) || key === 'cdrom' || /^unused\d+$/.test(key)) continue;
    if (/^(usb|hostpci)\d+$/.test(key)) {
      checkHostDevice(context, key, need);
      continue;
    }
    if (/^serial\d+$/.test(key) || HARDWARE.has(key)) need(['VM.Config.HWType']);
    else if (CPU.has(key) || /^numa\d+$/.test(key)) need(['VM.Config.CPU']);
    else if (MEMORY.has(key)) need(['VM.Config.Memory']);
    else if (GENERAL.has(key)) {
      need(['VM.Config.Options']);
      if (key === 'startup') demand(world, who, '/', ['Sys.Modify']);
    } else if (key === 'freeze') need(['VM.PowerMgmt']);
    else if (DISK.has(key)) need(['VM.Config.Disk']);
    else if (/^net\d+$/.test(key)) need(['VM.Config.Network']);
    else if (CLOUD_INIT.has(key) || /^ipconfig\d+$/.test(key)) need(['VM.Config.Cloudinit', 'VM.Config.Network'], true);
    else refuse(`only root can set '${key}' config`);
  }
}

/** A device of the host itself is for root alone; SPICE and mapped ones are hardware like any other. */
function checkHostDevice(context: Context, key: string, need: (privs: string[]) => void): void {
  const value = text(context, key);
  const isPci = key.startsWith('hostpci');
  const isReal = value !== undefined && !/(^|,)mapping=/.test(value) && (isPci || !/^(host=)?spice\b/.test(value));
  if (isPci && isReal) refuse(`only root can set '${key}' config for non-mapped devices`);
  need(['VM.Config.HWType']);
  if (isReal) refuse(`only root can set '${key}' config for real devices`);
}

const splitTags = (tags: string | undefined): string[] =>
  (tags ?? '')
    .toLowerCase()
    .split(/[,;\s]+/)
    .filter(Boolean);

/** Tags that the cluster keeps for its administrators: registered ones, and those that its tag access leaves out. */
export function checkTagRights(context: Context, before: string | undefined, after: string | undefined): void {
  const { world, who } = context;
  const options = world.get('options', 'datacenter') ?? {};
  const registered = splitTags(options['registered-tags'] as string | undefined);
  const access = String(options['user-tag-access'] ?? '');
  const allow = /user-allow=(\w+)/.exec(access)?.[1] ?? 'free';
  const listed = splitTags(/user-allow-list=([^,]+)/.exec(access)?.[1]);
  const known = new Set([...world.guests().values()].flatMap((guest) => splitTags(guest.config.tags)));
  const isOpen = (tag: string) =>
    allow === 'free' || (allow !== 'none' && listed.includes(tag)) || (allow === 'existing' && known.has(tag));
  const [old, next] = [splitTags(before), splitTags(after)];
  for (const tag of [...old.filter((one) => !next.includes(one)), ...next.filter((one) => !old.includes(one))]) {
    const isFree = isOpen(tag) && !registered.includes(tag);
    if (!isFree && !may(world, who, '/', ['Sys.Modify'])) forbid(`/, Sys.Modify for modifying tag '${tag}'`);
  }
}

/** Drives of an existing guest: what is there and what is to come both decide which privilege is meant. */
export function checkDriveRights(context: Context, vmid: number, current: Config, settings: Config, deletes: string[]): void {
  const { world, who } = context;
  const need = (priv: string) => demand(world, who, `/vms/${vmid}`, [priv]);
  for (const [key, value] of Object.entries(settings)) {
    if (key === 'tags') {
      need('VM.Config.Options');
      checkTagRights(context, current.tags, value);
    }
    if (!DRIVE_KEY.test(key)) continue;
    if (driveKind(value) === 'cloudinit') {
      need('VM.Config.Cloudinit');
      need('VM.Config.CDROM');
    } else if (isCdrom(value)) need('VM.Config.CDROM');
    else need('VM.Config.Disk');
  }
  for (const key of deletes) {
    if (key === 'tags') {
      need('VM.Config.Options');
      checkTagRights(context, current.tags, undefined);
    }
    if (/^unused\d+$/.test(key)) need('VM.Config.Disk');
    if (!DRIVE_KEY.test(key)) continue;
    const value = current[key] ?? '';
    need(isCdrom(value) && !isCloudInit(value) ? 'VM.Config.CDROM' : 'VM.Config.Disk');
  }
}
