import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { Settings } from '../../core/settings.ts';
import { allPrivileges, type Granted, type Missing, privilegesAt } from '../../proxmox/access/privileges.ts';

/** Kinds of places in the permission tree, and the paths on which a right for such a place can be given. */
const PLACES = {
  guests: /^\/$|^\/(vms|pool)(\/|$)/,
  storages: /^\/$|^\/(storage|pool)(\/|$)/,
  bridges: /^\/$|^\/sdn(\/|$)/,
  nodes: /^\/$|^\/nodes(\/|$)/,
} as const;
type Place = keyof typeof PLACES;

interface Right {
  on: Place;
  /** One of these suffices. */
  anyOf: string[];
}

const on = (place: Place, ...privileges: string[]): Right[] => privileges.map((privilege) => ({ on: place, anyOf: privilege.split('|') }));
const SEE = on('guests', 'VM.Audit');
const CONFIGURE = on('guests', 'VM.Config.CPU', 'VM.Config.Memory');
const MAKE = [
  ...on('guests', 'VM.Allocate', 'VM.Config.Disk', 'VM.Config.Network', 'VM.Config.HWType', 'VM.Config.Options', 'VM.PowerMgmt'),
  ...CONFIGURE,
  ...on('storages', 'Datastore.AllocateSpace', 'Datastore.Audit'),
  ...on('bridges', 'SDN.Use'),
  ...on('nodes', 'Sys.Audit'),
];

/**
 * The rights of each operation, as measured on Proxmox VE 9.2 (qemu-server 9.2.6). On 8.x `VM.Monitor` stands for the guest agent's
 * privileges, before 8.0 bridges needed none.
 */
export const OPERATION_RIGHTS: Record<string, Right[]> = {
  list_vms: SEE,
  get_vm: SEE,
  create_vm: [...SEE, ...MAKE],
  clone_template: [...SEE, ...on('guests', 'VM.Clone'), ...MAKE],
  start_vm: [...SEE, ...on('guests', 'VM.PowerMgmt')],
  set_resources: [...SEE, ...CONFIGURE],
  stop_vm: [...SEE, ...on('guests', 'VM.PowerMgmt')],
  delete_vm: [...SEE, ...on('guests', 'VM.Allocate'), ...on('storages', 'Datastore.Audit|Datastore.AllocateSpace')],
  list_snapshots: SEE,
  snapshot_vm: [...SEE, ...on('guests', 'VM.Snapshot')],
  rollback_snapshot: [...SEE, ...on('guests', 'VM.Snapshot.Rollback')],
  delete_snapshot: [...SEE, ...on('guests', 'VM.Snapshot')],
};

/** Rights that no operation needs and that make every answer better. */
export const SIGHT_RIGHTS = {
  addresses: on('guests', 'VM.GuestAgent.Audit|VM.Monitor'),
  backups: on('guests', 'VM.Backup'),
  pools: on('guests', 'Pool.Audit'),
} satisfies Record<string, Right[]>;

/** The token's rights at the places that matter to this installation. */
export interface Standing {
  granted: Granted;
  /** For each kind of place: the path that was looked at, and what the token may do there. */
  at: Record<Place, { path: string; has: ReadonlySet<string> }>;
}

/**
 * Guests are judged on the pool of PROXMOX_POOL, storages on PROXMOX_STORAGE: a right on a template or on another storage stands for nothing
 * there. Without these settings the path counts on which the token has most.
 */
export async function standingOf(api: Pick<ProxmoxReader, 'get'>, { defaults }: Pick<Settings, 'defaults'>): Promise<Standing> {
  const granted = await allPrivileges(api);
  const { pool, storage, node } = defaults;
  const look = async (place: Place, named: string | undefined, usual: string) => {
    const path = named ?? best(granted, place) ?? usual;
    return { path, has: await privilegesAt(api, path) };
  };
  const [guests, storages, bridges, nodes] = await Promise.all([
    look('guests', pool === undefined ? undefined : `/pool/${pool}`, '/vms'),
    look('storages', storage === undefined ? undefined : `/storage/${storage}`, '/storage'),
    look('bridges', undefined, '/sdn/zones/localnetwork'),
    look('nodes', defaults.nodeIsExplicit ? `/nodes/${node}` : undefined, `/nodes/${node}`),
  ]);
  return { granted, at: { guests, storages, bridges, nodes } };
}

function best(granted: Granted, place: Place): string | undefined {
  const useful = new Set(
    [...Object.values(OPERATION_RIGHTS), ...Object.values(SIGHT_RIGHTS)].flat().flatMap((r) => (r.on === place ? r.anyOf : [])),
  );
  const count = (path: string) => Object.keys(granted[path] ?? {}).filter((privilege) => useful.has(privilege)).length;
  return Object.keys(granted)
    .filter((path) => PLACES[place].test(path) && count(path) > 0)
    .sort((a, b) => count(b) - count(a) || a.length - b.length)[0];
}

/** The rights that an operation lacks at its places. */
export function lacks(rights: readonly Right[], { at }: Standing, majorVersion: number): Missing[] {
  return rights
    .filter((right) => right.on !== 'bridges' || majorVersion >= 8)
    .filter((right) => !right.anyOf.some((privilege) => at[right.on].has.has(privilege)))
    .map((right) => ({ path: at[right.on].path, privileges: right.anyOf }));
}
