import { asError, type ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { listGuests } from '../../../proxmox/guest/guests.ts';
import { preferredNodes } from '../../../proxmox/guest/ha-preference.ts';
import { listReplications, type Replication } from '../../../proxmox/guest/migration.ts';
import { listNodes, type NodeRow } from '../../../proxmox/nodes.ts';
import { listStorages, listVolumes, type StorageRow } from '../../../proxmox/storage.ts';
import type { OperationContext } from '../../define.ts';
import { requireSight } from '../../storage/lib/one-storage.ts';
import { onlineNode } from '../provision/choose/node.ts';
import { type Mover, readMover } from './mover.ts';
import { type Place, readPlace } from './places.ts';

export interface Wanted {
  target_node?: string | undefined;
  storage?: string | undefined;
}

/** Everything that is read before guests are placed. */
export interface Survey {
  movers: Mover[];
  /** Guests that cannot be read or are locked. */
  refused: Map<number, ProxmoxMcpError>;
  /** The nodes that the guests are on, by name. */
  homes: ReadonlyMap<string, Place>;
  /** The nodes that may take them. */
  goals: Place[];
  replications: Replication[];
  /** Nodes to which HA brings a guest back, by VMID. */
  preferred: ReadonlyMap<number, readonly string[]>;
  /** Volumes of templates on which linked clones depend. */
  used: ReadonlySet<string>;
}

/** Faults of one guest; any other fault ends the plan. */
const OF_ONE_GUEST = ['guest_not_found', 'permission_denied', 'locked', 'guest_state'];

/** @throws not_possible for a target that does not exist or is offline, permission_denied where the named storage is hidden */
export async function survey({ api }: OperationContext, vmids: readonly number[], wanted: Wanted): Promise<Survey> {
  const [nodes, guests, replications] = await Promise.all([listNodes(api), listGuests(api), listReplications(api).catch(() => [])]);
  // A node whose storages cannot be listed is taken for one that has none.
  const storagesOf = remembering((node: string) => listStorages(api, node).catch((): StorageRow[] => []));
  const placeOf = remembering((node: string) => readPlace(api, rowOf(nodes, node), { storagesOf, guests }));
  const refused: Survey['refused'] = new Map();
  const read = await Promise.all(vmids.map((vmid) => readMover(api, vmid, storagesOf).catch((thrown) => noted(vmid, thrown, refused))));
  const movers = read.flatMap((mover) => mover ?? []);
  const names = [...new Set(movers.map(({ target }) => target.guest.at.node))];
  const candidates = wanted.target_node === undefined ? nodes.filter((one) => one.online) : [onlineNode(nodes, wanted.target_node)];
  const goals = await Promise.all(candidates.map(({ node }) => placeOf(node)));
  const isSeen = goals.some(({ storages }) => storages.some(({ storage }) => storage === wanted.storage));
  if (wanted.storage !== undefined && !isSeen) await requireSight(api, `Seeing and using storage ${wanted.storage}`, [wanted.storage]);
  const homes = new Map(await Promise.all(names.map(async (name) => [name, await placeOf(name)] as const)));
  const bases = movers.filter(({ target, copied }) => target.guest.template && copied.length > 0);
  const used = await Promise.all(bases.map((mover) => usedOf(api, mover)));
  const online = nodes.filter((one) => one.online).map(({ node }) => node);
  const preferred = await preferredOf(api, movers, online);
  return { movers, refused, homes, goals, replications, preferred, used: new Set(used.flat()) };
}

/** HA leaves a guest that should not run where it is. */
async function preferredOf(
  api: OperationContext['api'],
  movers: readonly Mover[],
  online: readonly string[],
): Promise<Survey['preferred']> {
  const sidOf = ({ target }: Mover) => `${target.guest.at.type === 'qemu' ? 'vm' : 'ct'}:${target.guest.at.vmid}`;
  const kept = movers.filter(({ target }) => target.status.ha === 'started');
  const found = await preferredNodes(api, kept.map(sidOf), online);
  return new Map(
    kept.flatMap((mover) => [found.get(sidOf(mover))].flatMap((one) => (one ? [[mover.target.guest.at.vmid, one] as const] : []))),
  );
}

function rowOf(nodes: readonly NodeRow[], name: string): NodeRow {
  return nodes.find(({ node }) => node === name) ?? { node: name, online: false };
}

function noted(vmid: number, thrown: unknown, refused: Survey['refused']): undefined {
  const error = asError(thrown);
  if (!OF_ONE_GUEST.includes(error.code)) throw thrown;
  refused.set(vmid, error);
}

/** Asks once for each name. */
function remembering<T>(ask: (name: string) => Promise<T>): (name: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (name) => {
    const found = known.get(name) ?? ask(name);
    known.set(name, found);
    return found;
  };
}

/** By the file names of bases: Proxmox lists them as `../9000/base-9000-disk-0.qcow2` or `base-9000-disk-0@__base__`. */
async function usedOf(api: OperationContext['api'], { target, copied }: Mover): Promise<string[]> {
  const { node, vmid } = target.guest.at;
  const storages = [...new Set(copied.map(({ storage }) => storage))];
  const lists = await Promise.all(storages.map((one) => listVolumes(api, node, one).catch(() => [])));
  const others = lists.flat().filter((volume) => volume.vmid !== vmid);
  const nameOf = (volid: string) => volid.split(/[/:]/).at(-1) ?? volid;
  return copied
    .map(({ volid }) => volid)
    .filter((volid) => others.some((one) => `${one.parent ?? ''} ${one.volid}`.includes(nameOf(volid))));
}
