import { type Context, flag, guestOf, missingConfig, type Routes, refuseLocked, task, vmidOf } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { CT_VOLUME_KEY, DRIVE_KEY, volumeOf } from '../../guest/config.ts';
import { childrenOf, findVolume, freeByName, freeVolume, ownerOf } from '../../guest/volumes.ts';
import type { Guest } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { guestOfTask } from '../guest/power.ts';

const DESTROY = 80;
const label = (guest: Guest): string => (guest.type === 'qemu' ? 'VM' : 'CT');

/** Volumes a guest's configuration names, those of its snapshots and saved states included, that bear its id. */
function ownVolumes(guest: Guest): string[] {
  const configs = [guest.config, ...Object.values(guest.snapshots).map((snapshot) => snapshot.config)];
  const named = configs.flatMap((config) =>
    Object.entries(config)
      .filter(([key]) => DRIVE_KEY.test(key) || CT_VOLUME_KEY.test(key) || /^unused\d+$/.test(key) || key === 'vmstate')
      .map(([, value]) => volumeOf(value)),
  );
  const states = Object.values(guest.snapshots).flatMap((snapshot) => snapshot.vmstate ?? []);
  return [...new Set([...named, ...states])].filter((volid) => ownerOf(volid) === guest.vmid);
}

const target = (run: Run): Guest => guestOfTask(run, (vmid) => missingConfig(run.task.node, run.task.args.type as Guest['type'], vmid));

function begin(run: Run): number {
  const guest = target(run);
  // The one lock that does not protect a guest from deletion: what its memory was is lost with it.
  if (guest.config.lock !== 'suspended') refuseLocked(guest);
  if (guest.running && !run.task.args.force) refuse(`${label(guest)} ${guest.vmid} is running - destroy failed`);
  for (const volid of ownVolumes(guest)) {
    const volume = findVolume(run.world, guest.node, volid);
    if (volume && childrenOf(run.world, volume).some((child) => child.vmid !== guest.vmid)) {
      refuse(`base volume '${volid}' is still in use by linked cloned`);
    }
  }
  return DESTROY;
}

function finish(run: Run): void {
  const guest = target(run);
  const { world } = run;
  for (const volid of ownVolumes(guest)) freeByName(world, guest.node, volid);
  if (run.task.args.unreferenced) {
    for (const volume of [...world.all('volume').values()]) {
      const mine = volume.vmid === guest.vmid && (volume.content === 'images' || volume.content === 'rootdir');
      if (mine && (volume.node === '' || volume.node === guest.node)) freeVolume(world, volume);
    }
  }
  if (run.task.args.purge) {
    run.log(`purging ${label(guest)} ${guest.vmid} from related configurations..`);
    world.drop('ha', `${guest.type === 'qemu' ? 'vm' : 'ct'}:${guest.vmid}`);
  }
  for (const pool of world.all('pool').values()) {
    if (pool.vms.includes(guest.vmid)) world.put('pool', pool.poolid, { ...pool, vms: pool.vms.filter((vmid) => vmid !== guest.vmid) });
  }
  for (const [key, acl] of world.all('acl')) if (acl.path === `/vms/${guest.vmid}`) world.drop('acl', key);
  world.drop('firewall', String(guest.vmid));
  world.dropGuest(guest.vmid);
}

/** Refuses at once: protection, HA without purge, a running guest. */
export function destroy(context: Context, type: Guest['type']): string {
  const guest = guestOf(context, type);
  const word = label(guest);
  if (guest.config.protection === '1') refuse(`can't remove ${word} ${guest.vmid} - protection mode enabled`);
  const managed = context.world.get('ha', `${type === 'qemu' ? 'vm' : 'ct'}:${guest.vmid}`);
  if (managed && !flag(context, 'purge'))
    refuse(`unable to remove ${word} ${guest.vmid} - used in HA resources and purge parameter not set.`);
  const force = type === 'lxc' && flag(context, 'force');
  if (guest.running && !force)
    refuse(type === 'qemu' ? `VM ${guest.vmid} is running - destroy failed` : `unable to destroy CT ${guest.vmid} - container is running`);
  const args = { type, purge: flag(context, 'purge'), unreferenced: flag(context, 'destroy-unreferenced-disks'), force };
  const vmid = vmidOf(context);
  return task(context, { type: type === 'qemu' ? 'qmdestroy' : 'vzdestroy', id: String(vmid), kind: 'destroy', args, locks: [vmid] });
}

export const DESTROY_KINDS: Kinds = { destroy: { begin, finish } };

export const DESTROY_ROUTES: Routes = { 'DELETE /nodes/{node}/qemu/{vmid}': (context) => destroy(context, 'qemu') };
