import type { Guest, Things, Volume } from '../../src/simulator/model.ts';
import type { World } from '../../src/simulator/world.ts';

/** The cluster as it stands, without what passes by itself: each thing by its name, each with its properties. */
export interface Picture {
  guests: Map<string, Record<string, string>>;
  vmids: Set<number>;
  volumes: Set<string>;
  other: Map<string, string>;
}

const OTHER: (keyof Things)[] = ['pool', 'user', 'token', 'role', 'acl', 'ha', 'ha-rule', 'job', 'storage', 'sdn', 'options', 'firewall'];
/** Derived from others, or different each time. */
const PASSING = /^(digest|vmgenid|smbios1|meta|parent|lock)$/;

export function pictureOf(world: World): Picture {
  const pools = new Map([...world.all('pool').values()].flatMap(({ poolid, vms }) => vms.map((vmid) => [vmid, poolid] as const)));
  const guests = new Map<string, Record<string, string>>();
  for (const guest of world.guests().values()) {
    const name = nameOf(guest);
    const properties = propertiesOf(guest, pools.get(guest.vmid), world.get('firewall', String(guest.vmid)));
    guests.set(guests.has(name) ? `${name} ${guest.vmid}` : name, properties);
  }
  const owners = new Set(world.guests().keys());
  const isFree = ({ content, vmid }: Volume) => !(content === 'images' || content === 'rootdir') || !owners.has(vmid ?? 0);
  const nameOfVolume = (volume: Volume) =>
    [volume.volid, ...(volume.node ? [`on ${volume.node}`] : []), ...(volume.protected ? ['protected'] : [])].join(' ');
  const volumes = [...world.all('volume').values()].filter(isFree).map(nameOfVolume);
  const other = OTHER.flatMap((kind) =>
    [...world.all(kind)]
      .filter(([id]) => kind !== 'firewall' || !owners.has(Number(id)))
      .map(([id, doc]) => [`${kind}/${id}`, JSON.stringify(kind === 'pool' ? { ...doc, vms: undefined } : doc)] as const),
  );
  return { guests, vmids: owners, volumes: new Set(volumes), other: new Map(other) };
}

const nameOf = ({ config, vmid }: Guest) => config.name ?? config.hostname ?? String(vmid);

function propertiesOf(guest: Guest, pool: string | undefined, firewall: Things['firewall'] | undefined): Record<string, string> {
  const { running } = guest;
  const all: Record<string, unknown> = {
    ...guest.config,
    name: nameOf(guest),
    node: guest.node,
    type: guest.type,
    status: running === undefined ? 'stopped' : running.paused ? 'paused' : 'running',
    pool,
    snapshots: Object.keys(guest.snapshots).sort().join(' ') || undefined,
    firewall: firewall && JSON.stringify([firewall.options, firewall.rules]),
    started: running?.since,
  };
  for (const [key, value] of Object.entries(guest.pending)) all[`pending ${key}`] = value;
  for (const key of Object.keys(guest.pendingDelete)) all[`pending ${key}`] = 'deleted';
  return Object.fromEntries(
    Object.entries(all)
      .filter(([key, value]) => value !== undefined && value !== '' && !PASSING.test(key))
      .map(([key, value]) => [key, String(value)]),
  );
}

export interface Difference {
  created: Record<string, Record<string, string>>;
  changed: Record<string, Record<string, string | undefined>>;
  gone: string[];
  added: string[];
  removed: string[];
  other: string[];
}

export function differenceOf(before: Picture, after: Picture): Difference {
  const without = (all: Iterable<string>, others: { has(key: string): boolean }) => [...all].filter((key) => !others.has(key));
  const changed: Difference['changed'] = {};
  for (const [name, old] of before.guests) {
    const now = after.guests.get(name);
    if (now === undefined) continue;
    const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((key) => old[key] !== now[key]);
    // A guest that was started or stopped shows that by its status.
    const telling = old.status === now.status ? keys : keys.filter((key) => key !== 'started');
    if (telling.length > 0) changed[name] = Object.fromEntries(telling.map((key) => [key, now[key]]));
  }
  return {
    created: Object.fromEntries(without(after.guests.keys(), before.guests).map((name) => [name, after.guests.get(name) ?? {}])),
    changed,
    gone: without(before.guests.keys(), after.guests),
    added: without(after.volumes, before.volumes),
    removed: without(before.volumes, after.volumes),
    other: [...new Set([...before.other.keys(), ...after.other.keys()])].filter((key) => before.other.get(key) !== after.other.get(key)),
  };
}
