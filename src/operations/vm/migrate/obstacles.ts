import { present } from '../../../core/defined.ts';
import { plainText } from '../../../core/text/text.ts';
import type { Replication } from '../../../proxmox/guest/migration.ts';
import { parseProperties } from '../../../proxmox/guest/property-strings.ts';
import type { StorageRow } from '../../../proxmox/storage.ts';
import type { Copied, Mover } from './mover.ts';

/** A reason why a guest cannot leave its node, and the next step. */
interface Obstacle {
  why: string;
  hint: string;
}

interface Around {
  /** Storages of the node that the guest is on, as far as the token sees them. */
  storages: readonly StorageRow[];
  replications: readonly Replication[];
  /** The local disks go to a storage of another name. */
  mapped: boolean;
  /** Bases on this node on which linked clones depend. */
  used: ReadonlySet<string>;
}

/** Everything that Proxmox refuses for every other node, mostly only in the task, after it accepted the request. */
export function obstaclesOf(mover: Mover, around: Around): Obstacle[] {
  return present(
    ...deviceObstacles(mover),
    ...volumeObstacles(mover),
    ...mover.copied.flatMap((one) => copyObstacles(mover, one, around)),
    ...haObstacles(mover, around),
    around.replications.some(({ vmid, ending }) => vmid === mover.target.guest.at.vmid && ending) && {
      why: 'one of its replication jobs is being removed',
      hint: 'Wait until the job is gone.',
    },
  );
}

function deviceObstacles({ target, known, how }: Mover): Obstacle[] {
  const { at, live } = target.guest;
  const clipboard = how === 'live' && parseProperties(live.vga ?? '', 'type').clipboard === 'vnc';
  const stop = `Stop it with stop_vm {"vmid": ${at.vmid}}, then move it.`;
  return present(
    known.devices.length > 0 && {
      why: `it uses ${known.devices.join(', ')} of ${at.node}`,
      hint: 'Ask the operator to remove or map the device in Datacenter > Resource Mappings.',
    },
    how === 'live' &&
      known.mapped.length > 0 && { why: `its mapped devices ${known.mapped.join(', ')} cannot move while it runs`, hint: stop },
    clipboard && { why: 'its display has clipboard=vnc, which cannot move while it runs', hint: stop },
  );
}

function volumeObstacles({ target, known }: Mover): Obstacle[] {
  const { at, disks, config } = target.guest;
  const isos = known.localDisks?.filter(({ cdrom }) => cdrom) ?? [];
  const bound = disks.filter(({ slot, storage, media }) => {
    const everywhere = parseProperties(config[slot] ?? '', 'volume').shared === '1';
    return storage === '' && media !== 'unused' && !everywhere;
  });
  return [
    ...isos.map(({ volid, snapshots }): Obstacle => {
      const slot = disks.find((d) => d.volid === volid)?.slot;
      const name = plainText(volid, 100);
      return slot === undefined
        ? { why: `snapshot ${listed(snapshots)} holds ${name} of ${at.node}`, hint: 'Delete the snapshot with delete_snapshot.' }
        : { why: `${slot} holds ${name} of ${at.node}`, hint: 'Eject it with iso none of update_vm.' };
    }),
    ...bound.map(({ slot, volid, media }): Obstacle => {
      const what = media === 'bind' ? 'folder' : 'device or file';
      const hint = 'Ask the operator to detach it, or to set shared=1 if every node has it.';
      return { why: `${slot} is the ${what} ${plainText(volid, 100)} of ${at.node}`, hint };
    }),
  ];
}

function listed(names: readonly string[]): string {
  return names.map((one) => plainText(one, 40)).join(', ');
}

/** Types of storage between which Proxmox copies volumes. */
const COPIED_TYPES = ['dir', 'btrfs', 'zfspool', 'lvmthin', 'lvm'];

function copyObstacles({ target, how }: Mover, { volid, storage, snapshots }: Copied, { storages, used }: Around): Obstacle[] {
  const { at, disks } = target.guest;
  const type = storages.find((s) => s.storage === storage)?.type;
  const name = plainText(volid, 100);
  const owner = disks.find((d) => d.volid === volid)?.owner;
  return present(
    owner !== undefined && owner !== at.vmid && { why: `${name} belongs to guest ${owner}`, hint: 'Ask the operator to detach it.' },
    type !== undefined &&
      !COPIED_TYPES.includes(type) && {
        why: `${name} is on a ${type} storage, which Proxmox does not copy to another node`,
        hint: 'Move the disk to another storage first.',
      },
    /:(?:\d+\/)?base(?:vol)?-\d+-[^/]+\/./.test(volid) && {
      why: `${name} is a linked clone of a disk on ${at.node}`,
      hint: 'Move the disk to another storage first, which makes it a full copy.',
    },
    used.has(volid) && { why: `linked clones depend on ${name}`, hint: 'Leave the template where its clones are.' },
    snapshots.length > 0 &&
      !goesWithSnapshots(at.type, how, type, volid) && {
        why: `${name} has snapshots (${listed(snapshots)}) that cannot be copied`,
        hint: `Delete them with delete_snapshot${how === 'live' && goesWithSnapshots(at.type, 'offline', type, volid) ? ', or stop the VM first' : ''}.`,
      },
  );
}

/** For an unknown type of storage Proxmox decides in the task. */
function goesWithSnapshots(kind: 'qemu' | 'lxc', how: Mover['how'], type: string | undefined, volid: string): boolean {
  if (how === 'live') return false;
  if (type === undefined || type === 'zfspool') return true;
  return kind === 'qemu' && (volid.endsWith('.qcow2') || (type === 'btrfs' && volid.endsWith('.raw')));
}

function haObstacles({ target, managed, copied }: Mover, { mapped }: Around): Obstacle[] {
  if (!managed) return [];
  return present(
    target.status.ha === 'error' && { why: 'its HA resource is in state error', hint: 'Ask the operator to disable the resource first.' },
    mapped && copied.length > 0 && { why: 'HA moves local disks only to a storage of the same name', hint: 'Call again without storage.' },
  );
}
