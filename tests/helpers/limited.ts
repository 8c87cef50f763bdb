import { afterEach } from 'vitest';
import type { ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import { tokenWith } from './rights.ts';
import { agent, openWorld, type World } from './world.ts';

let world: World;
afterEach(() => world?.close());

/** An engine whose token has these rights and no others. */
export async function withRights(rights: Record<string, string | string[]>, defaults: object = {}) {
  world = await openWorld();
  const { cluster } = world;
  const token = await tokenWith(cluster, rights);
  const engine = world.another({
    connection: cluster.connection(token),
    defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm', ...defaults },
  });
  const call = (operation: string, args: object) => engine.perform(operation, args, agent, { wait: 'end' });
  const refused = (operation: string, args: object) => world.refused(call(operation, args));
  const dry = (operation: string, args: object) => world.refused(engine.perform(operation, args, agent, { dryRun: true }));
  return { world, cluster, token, call, refused, dry };
}
/** The lines for the operator. */
export const grants = (error: ProxmoxMcpError) => (error.details?.grant ?? []) as string[];

export const GUEST = [
  'VM.Allocate',
  'VM.Audit',
  'VM.Clone',
  'VM.Config.CPU',
  'VM.Config.Disk',
  'VM.Config.HWType',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.Options',
  'VM.PowerMgmt',
];
export const REST = {
  '/storage/local-lvm': ['Datastore.AllocateSpace', 'Datastore.Audit'],
  '/sdn/zones/localnetwork/vmbr0': ['SDN.Use'],
  '/nodes/pve': ['Sys.Audit'],
};
export const without = (...names: string[]) => GUEST.filter((name) => !names.includes(name));
