import type { Missing } from '../proxmox/privileges.ts';

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
 * What each operation needs, as measured on Proxmox VE 9.2 (qemu-server 9.2.6). On 8.x `VM.Monitor` stands for the guest agent's
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
};

/** What the token has, as GET /access/permissions without a path answers it: privileges by path. A listed privilege is granted. */
export type Granted = Record<string, Record<string, unknown>>;

/** What an operation lacks anywhere: the right is missing on every path that could give it. */
export function lacks(rights: Right[], granted: Granted, suggest: Record<Place, string>, majorVersion: number): Missing[] {
  return rights
    .filter((right) => right.on !== 'bridges' || majorVersion >= 8)
    .filter(
      (right) =>
        !Object.entries(granted).some(([path, privileges]) => PLACES[right.on].test(path) && right.anyOf.some((p) => p in privileges)),
    )
    .map((right) => ({ path: suggest[right.on], privileges: right.anyOf }));
}
