import type { GuestType } from '../../core/guest.ts';
import { DRIVE, MOUNT, privilegesFor } from '../access/option-privileges.ts';
import { backupOwner } from '../guest/disks.ts';
import { itemsOf, type Options } from '../guest/property-strings.ts';
import { bridges, contents, copied, drive, netsOf, onGuest, reading, space, spaceOf } from './devices.ts';
import { type Need, need } from './need.ts';

/** A request with its values as text. */
export interface Asked {
  /** Of the path. */
  at: Readonly<Record<string, string>>;
  params: Readonly<Record<string, string>>;
}

/** Facts that rules look up beside the request. */
export interface Known {
  /** Of Proxmox VE. */
  major: number;
  /** The guest's configuration; empty where it cannot be read. */
  config(type: GuestType, vmid: string): Promise<Options>;
  /** The configuration in a backup; empty where it cannot be read. */
  backup(node: string, volid: string): Promise<Options>;
}

/** Privileges that the code of a method asks for beside the expression in the contract; measured on Proxmox VE 9.2, or of its documentation. */
export type Rule = (asked: Asked, known: Known) => Need[] | Promise<Need[]>;

const isOn = (value: string | undefined) => value === '1' || value === 'true';
const vmidOf = ({ at }: Asked) => at.vmid ?? '';

/** Parameters that are not options of the guest. */
const CONTROL = new Set([
  ...['node', 'vmid', 'digest', 'delete', 'revert', 'skiplock', 'force', 'background_delay', 'import-working-storage'],
  ...['pool', 'start', 'storage', 'unique', 'archive', 'bwlimit', 'live-restore', 'ha-managed'],
  ...['ostemplate', 'restore', 'password', 'ssh-public-keys', 'ignore-unpack-errors'],
]);

function options(type: GuestType, vmid: string, names: readonly string[]): Need[] {
  const needs = names
    .filter((name) => !CONTROL.has(name) && !(type === 'qemu' && DRIVE.test(name)))
    .map((name) => privilegesFor(type, name))
    .filter((privileges) => privileges.length > 0)
    .map((privileges) => onGuest(vmid, ...privileges));
  // The order in which guests start is the node's concern.
  return [...needs, ...(type === 'qemu' && names.includes('startup') ? [need('/', 'Sys.Modify')] : [])];
}

/** PUT and POST …/config, for each option that is set or removed. */
const config =
  (type: GuestType): Rule =>
  async (asked, known) => {
    const vmid = vmidOf(asked);
    const { params } = asked;
    const removed = [...itemsOf(params.delete), ...itemsOf(params.revert)];
    const set = Object.keys(params).filter((name) => !CONTROL.has(name));
    const isDevice = (name: string) => DRIVE.test(name) || /^(net|unused)\d+$/.test(name);
    const now = [...set, ...removed].some(isDevice) ? await known.config(type, vmid) : {};
    const drives = (names: string[]) => (type === 'qemu' ? names.filter((name) => DRIVE.test(name)) : []);
    const nets = [...set, ...removed].filter((name) => /^net\d+$/.test(name));
    // Destroying a volume needs what making one does.
    const freed = removed.filter((name) => /^unused\d+$/.test(name) || (isOn(params.force) && DRIVE.test(name)));
    return [
      ...options(type, vmid, [...set, ...removed]),
      ...drives(set).flatMap((name) => [...drive(vmid, 'set', params[name]), ...contents(params[name] ?? '', vmid, undefined)]),
      ...drives(removed).flatMap((name) => drive(vmid, 'removed', now[name])),
      ...(type === 'lxc' ? mounts(set, params, vmid, undefined) : []),
      ...freed.flatMap((name) => spaceOf(now[name])),
      ...bridges([...nets.map((name) => params[name]), ...nets.map((name) => now[name])], known.major),
    ];
  };

const mounts = (names: readonly string[], params: Asked['params'], vmid: string, fallback: string | undefined): Need[] =>
  names.filter((name) => MOUNT.test(name)).flatMap((name) => contents(params[name] ?? '', vmid, fallback));

/** A guest that is created needs its rights on its VMID or on its pool, see `inPool` in plan-needs.ts. */
const create =
  (type: GuestType): Rule =>
  async ({ at, params }, known) => {
    const vmid = params.vmid ?? '';
    const names = Object.keys(params).filter((name) => !CONTROL.has(name));
    const archive = type === 'qemu' ? params.archive : isOn(params.restore) ? params.ostemplate : undefined;
    const allocate: Need = {
      any: [onGuest(vmid, 'VM.Allocate'), ...(params.pool === undefined ? [] : [need(`/pool/${params.pool}`, 'VM.Allocate')])],
    };
    // VM.Backup suffices to restore a container over itself.
    const over: Need =
      type === 'lxc' && archive !== undefined && isOn(params.force) ? { any: [onGuest(vmid, 'VM.Backup'), allocate] } : allocate;
    const start = isOn(params.start) && type === 'qemu' ? [onGuest(vmid, 'VM.PowerMgmt')] : [];
    if (archive !== undefined) {
      const inside = await known.backup(at.node ?? '', archive);
      const nets = { ...inside, ...params };
      return [
        over,
        ...space(params.storage),
        ...fromBackup(archive, vmid, params),
        ...options(type, vmid, names),
        ...bridges(netsOf(nets), known.major),
        ...start,
      ];
    }
    const fallback = params.storage ?? 'local';
    const disks =
      type === 'qemu'
        ? names.filter((name) => DRIVE.test(name)).flatMap((name) => contents(params[name] ?? '', vmid, params.storage))
        : [
            ...mounts(names, params, vmid, fallback),
            ...(params.rootfs === undefined ? space(fallback) : []),
            reading(params.ostemplate ?? '', vmid),
          ];
    return [allocate, ...disks, ...options(type, vmid, names), ...bridges(netsOf(params), known.major), ...start];
  };

/** A guest's own backup over that guest needs no right on the backup. */
function fromBackup(volid: string, vmid: string, { force }: Asked['params']): Need[] {
  return String(backupOwner(volid)) === vmid && isOn(force) ? [] : [reading(volid, vmid)];
}

/** Every volume that is copied takes space, and every NIC is attached again. A snapshot's volumes are not looked up. */
const clone =
  (type: GuestType): Rule =>
  async (asked, known) => {
    const { params } = asked;
    const source = await known.config(type, vmidOf(asked));
    const storages = params.storage !== undefined ? [params.storage] : params.snapname === undefined ? copied(source) : [];
    return [...storages.flatMap(space), ...bridges(netsOf(source), known.major)];
  };

const resize =
  (type: GuestType): Rule =>
  async (asked, known) => {
    const now = await known.config(type, vmidOf(asked));
    // A container's parameters are checked as if they were options.
    const more = type === 'lxc' ? [onGuest(vmidOf(asked), 'VM.Config.Options')] : [];
    return [...more, ...spaceOf(now[asked.params.disk ?? ''])];
  };

const move =
  (type: GuestType): Rule =>
  async (asked, known) => {
    const { params } = asked;
    const other = params['target-vmid'];
    if (params.storage !== undefined) return space(params.storage);
    if (other === undefined) return [];
    const now = await known.config(type, vmidOf(asked));
    return [onGuest(other, 'VM.Config.Disk'), ...spaceOf(now[params.disk ?? params.volume ?? ''])];
  };

/**
 * The same storage map has two names: `targetstorage` of a VM, `target-storage` of a container. `1` in it keeps the names of storages. Any other
 * map changes where disks lie.
 */
const migrate: Rule = (asked) => {
  const map = itemsOf(asked.params.targetstorage ?? asked.params['target-storage']);
  const targets = map.filter((pair) => pair !== '1').map((pair) => pair.split(':').at(-1) ?? '');
  return [...(map.length > 0 && !map.includes('1') ? [onGuest(vmidOf(asked), 'VM.Config.Disk')] : []), ...targets.flatMap(space)];
};

const unlink: Rule = async (asked, known) => {
  if (!isOn(asked.params.force)) return [];
  const now = await known.config('qemu', vmidOf(asked));
  return itemsOf(asked.params.idlist).flatMap((name) => spaceOf(now[name]));
};

/** Hibernating writes the memory to a storage, to the one of a disk where none is named. */
const suspend: Rule = (asked) => {
  const { todisk, statestorage } = asked.params;
  if (!isOn(todisk)) return [];
  return [onGuest(vmidOf(asked), 'VM.Config.Disk'), ...space(statestorage)];
};

const rollback: Rule = (asked) => (isOn(asked.params.start) ? [onGuest(vmidOf(asked), 'VM.PowerMgmt')] : []);

export const GUEST_RULES: Readonly<Record<string, Rule>> = {
  'POST /nodes/{node}/qemu': create('qemu'),
  'POST /nodes/{node}/lxc': create('lxc'),
  'POST /nodes/{node}/qemu/{vmid}/config': config('qemu'),
  'PUT /nodes/{node}/qemu/{vmid}/config': config('qemu'),
  'PUT /nodes/{node}/lxc/{vmid}/config': config('lxc'),
  'POST /nodes/{node}/qemu/{vmid}/clone': clone('qemu'),
  'POST /nodes/{node}/lxc/{vmid}/clone': clone('lxc'),
  'PUT /nodes/{node}/qemu/{vmid}/resize': resize('qemu'),
  'PUT /nodes/{node}/lxc/{vmid}/resize': resize('lxc'),
  'POST /nodes/{node}/qemu/{vmid}/move_disk': move('qemu'),
  'POST /nodes/{node}/lxc/{vmid}/move_volume': move('lxc'),
  'POST /nodes/{node}/qemu/{vmid}/migrate': migrate,
  'POST /nodes/{node}/lxc/{vmid}/migrate': migrate,
  'PUT /nodes/{node}/qemu/{vmid}/unlink': unlink,
  'POST /nodes/{node}/qemu/{vmid}/status/suspend': suspend,
  'POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback': rollback,
  'POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback': rollback,
};
