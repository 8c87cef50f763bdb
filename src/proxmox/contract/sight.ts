import { onGuest } from './devices.ts';
import type { Asked } from './guest-rules.ts';
import { type Need, need } from './need.ts';

/** The rights that show the rows of a list. */
export interface Sight {
  rows: Need[];
  /** Rights for more of each row. */
  more?: Need[];
}

const GUESTS = ({ at }: Asked): Sight => ({ rows: [onGuest(at.vmid ?? '', 'VM.Audit')] });

/**
 * Lists answer 200 and leave out what the token may not see, whatever the contract says about the method. Measured on Proxmox VE 9.2. By method,
 * and by what is requested where the rights differ; with the values of any one row.
 */
export const SIGHT: Readonly<Record<string, (asked: Asked) => Sight>> = {
  'GET /cluster/resources': (asked) => ({ ...GUESTS(asked), more: [need(`/pool/${asked.at.poolid}`, 'Pool.Audit')] }),
  'GET /nodes/{node}/qemu': GUESTS,
  'GET /nodes/{node}/lxc': GUESTS,
  'GET /cluster/replication': GUESTS,
  'GET /pools': ({ at }) => ({ rows: [need(`/pool/${at.poolid}`, 'Pool.Audit')] }),
  'GET /nodes': ({ at }) => ({ rows: [], more: [need(`/nodes/${at.node}`, 'Sys.Audit')] }),
  'GET /nodes/{node}/network': ({ at }) => ({ rows: [need(`/sdn/zones/localnetwork/${at.bridge}`, 'SDN.Use', 'SDN.Audit')] }),
  'GET /nodes/{node}/storage': ({ at }) => ({ rows: [need(`/storage/${at.storage}`, 'Datastore.Audit', 'Datastore.AllocateSpace')] }),
  'GET /nodes/{node}/storage/{storage}/content?content=images': ({ at }) => ({
    rows: [need(`/storage/${at.storage}`, 'Datastore.Audit'), onGuest(at.vmid ?? '', 'VM.Config.Disk')],
  }),
  'GET /nodes/{node}/storage/{storage}/content?content=backup': ({ at }) => ({
    rows: [need(`/storage/${at.storage}`, 'Datastore.AllocateSpace'), onGuest(at.vmid ?? '', 'VM.Backup')],
  }),
};
