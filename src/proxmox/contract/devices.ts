import { DRIVE, MOUNT } from '../access/option-privileges.ts';
import { backupOwner, CLOUD_INIT, ownerOf } from '../guest/disks.ts';
import type { Options } from '../guest/property-strings.ts';
import { storageOf } from '../storage.ts';
import { type Need, NOTHING, need } from './need.ts';

/** `local-lvm:32` creates a volume of 32 GiB. Without a storage the request's own counts. */
const NEW_VOLUME = /^(?:([^/:\s]+):)?\d+(?:\.\d+)?$/;
const CD = /(?:^|,)media=cdrom(?:,|$)/;
/** Names of bridges that a node makes; any other name may be a VNet, whose zone the name does not tell. */
const BRIDGE = /^vmbr\d+$/;

/** Space on a storage; nothing where none is named. */
export const space = (storage: string | undefined): Need[] => (storage ? [need(`/storage/${storage}`, 'Datastore.AllocateSpace')] : []);
export const onGuest = (vmid: string, ...privileges: string[]): Need => need(`/vms/${vmid}`, ...privileges);

/** The volume of a drive or mount point as it is written: `local-lvm:vm-105-disk-0`, `local:32`, `none`. */
export function volumeOf(text: string): string {
  const [first = ''] = text.split(',').filter((part) => part !== '' && (!part.includes('=') || /^(file|volume)=/.test(part)));
  return first.replace(/^(file|volume)=/, '');
}

/** Space on the storage of a drive or mount point, for a volume that is made, grown or destroyed there. */
export const spaceOf = (text = ''): Need[] => space(storageOf(volumeOf(text)));

/** A right on a whole storage, or those on one guest's backups there. */
export function allOrBackups(storage: string, vmid: string | number | undefined): Need {
  const all = need(`/storage/${storage}`, 'Datastore.Allocate');
  return vmid === undefined ? all : { any: [all, { all: [...space(storage), onGuest(String(vmid), 'VM.Backup')] }] };
}

/** SDN.Use on the bridges of network devices; from 8.0 on. */
export function bridges(nets: readonly (string | undefined)[], major: number): Need[] {
  if (major < 8) return [];
  return nets.flatMap((net) => {
    const value = (name: string) => new RegExp(`(?:^|,)${name}=([^,]+)`).exec(net ?? '')?.[1];
    const [bridge, tag] = [value('bridge') ?? '', value('tag')];
    return BRIDGE.test(bridge) ? [need(`/sdn/zones/localnetwork/${bridge}${tag === undefined ? '' : `/${tag}`}`, 'SDN.Use')] : [];
  });
}

export const netsOf = (options: Options): string[] =>
  Object.keys(options).flatMap((key) => (/^net\d+$/.test(key) ? [options[key] ?? ''] : []));

/** Reading a volume that exists. @param vmid of the guest that gets it: its own volumes need nothing more */
export function reading(volid: string, vmid: string): Need {
  const storage = storageOf(volid);
  if (storage === '') return NOTHING;
  const path = `/storage/${storage}`;
  const unless = (other: Need): Need => ({ any: [need(path, 'Datastore.Allocate'), other] });
  const owner = backupOwner(volid);
  if (owner !== undefined) return allOrBackups(storage, owner);
  if (/^[^:]+:(iso|vztmpl|import)\//.test(volid)) return unless(need(path, 'Datastore.AllocateSpace', 'Datastore.Audit'));
  const guest = ownerOf(volid);
  if (guest === undefined || String(guest) === vmid) return NOTHING;
  return unless({ all: [need(path, 'Datastore.Audit'), onGuest(String(guest), 'VM.Config.Disk')] });
}

/** The storages that a drive or mount point of a request takes space on, and the volumes that it reads. */
export function contents(text: string, vmid: string, fallback: string | undefined): Need[] {
  const volume = volumeOf(text);
  const source = /(?:^|,)import-from=([^,]+)/.exec(text)?.[1];
  const from = source === undefined ? [] : [reading(source, vmid)];
  if (volume === '' || volume === 'none' || volume === 'cdrom' || CLOUD_INIT.test(volume)) return from;
  const made = NEW_VOLUME.exec(volume);
  if (!made) return [...from, reading(volume, vmid)];
  return [...from, ...space(made[1] ?? fallback)];
}

/** A drive of a VM that exists, by its new content, or by the present one when it is removed. */
export function drive(vmid: string, change: 'set' | 'removed', text = ''): Need[] {
  const isCloudInit = CLOUD_INIT.test(volumeOf(text));
  if (isCloudInit && change === 'set') return [onGuest(vmid, 'VM.Config.Cloudinit'), onGuest(vmid, 'VM.Config.CDROM')];
  const isCd = !isCloudInit && (CD.test(text) || ['none', 'cdrom'].includes(volumeOf(text)));
  return [onGuest(vmid, isCd ? 'VM.Config.CDROM' : 'VM.Config.Disk')];
}

/** Storages of the volumes that a clone copies: all but inserted media and detached disks. */
export function copied(options: Options): string[] {
  const slots = Object.entries(options).filter(([key]) => DRIVE.test(key) || MOUNT.test(key));
  const isMedium = (text: string) => CD.test(text) && !CLOUD_INIT.test(volumeOf(text));
  return slots.flatMap(([, text]) => (isMedium(text) ? [] : storageOf(volumeOf(text))));
}
