import { may } from '../../access/permissions.ts';
import { type Context, flag, guestOf, nodeOf, type Routes, text } from '../../context.ts';
import { refuse } from '../../errors.ts';
import { dataKeys, digestOf, driveKeys, loose, memoryOf, pendingConfig, printConfig, volumeOf } from '../../guest/config.ts';
import { gauges, listRow } from '../../guest/status.ts';
import { canSnapshot, findVolume, isFileBased } from '../../guest/volumes.ts';
import type { Guest } from '../../model.ts';
import { wantsAgent } from '../guest/power.ts';

type Row = Record<string, unknown>;

export function listGuests(context: Context, type: Guest['type']): Row[] {
  const { world, who, at } = context;
  const node = world.get('node', nodeOf(context));
  return [...world.guests().values()]
    .filter((guest) => guest.type === type && guest.node === nodeOf(context) && may(world, who, `/vms/${guest.vmid}`, ['VM.Audit']))
    .map((guest) => listRow(guest, at, node?.cpus ?? 1, flag(context, 'full')));
}

const BLOCK_FIGURES = ['rd', 'wr', 'flush', 'unmap', 'zone_append'].flatMap((kind) => [
  ...(kind === 'flush' ? [] : [`${kind}_bytes`, `${kind}_merged`]),
  `${kind}_operations`,
  `${kind}_total_time_ns`,
  `failed_${kind}_operations`,
  `invalid_${kind}_operations`,
]);

function blockStatistics(guest: Guest): Row {
  const figures = Object.fromEntries(BLOCK_FIGURES.map((name) => [name, 0]));
  const one = { ...figures, wr_highest_offset: 0, idle_time_ns: 1_000_000, timed_stats: [], account_failed: true, account_invalid: true };
  return Object.fromEntries(driveKeys(guest.config).map((key) => [key, one]));
}

const nonEmpty = (name: string, figures: Row): Row => (Object.keys(figures).length > 0 ? { [name]: figures } : {});

const SUPPORT = {
  'pbs-library-version': 'simulated',
  'pbs-dirty-bitmap': true,
  'pbs-dirty-bitmap-savevm': true,
  'pbs-dirty-bitmap-migration': true,
  'pbs-masterkey': true,
  'query-bitmap-info': true,
  'backup-max-workers': true,
  'backup-fleecing': true,
  'backup-access-api': true,
};

function status(context: Context): Row {
  const guest = guestOf(context);
  const node = context.world.get('node', guest.node);
  const ha = context.world.get('ha', `vm:${guest.vmid}`);
  const row: Row = {
    ...listRow(guest, context.at, node?.cpus ?? 1, true),
    ha: ha && ha.state !== 'ignored' ? { managed: 1, state: ha.state } : { managed: 0 },
    ...(guest.config.vga === undefined ? {} : { clipboard: null }),
  };
  if (wantsAgent(guest)) row.agent = 1;
  if (!guest.running) return row;
  const { diskread, diskwrite, netin, netout, mem } = gauges(guest, context.at);
  const memory = memoryOf(guest.config);
  const nics = Object.fromEntries(
    Object.keys(guest.config)
      .filter((key) => /^net\d+$/.test(key))
      .map((key) => [`tap${guest.vmid}i${key.slice(3)}`, { netin, netout }]),
  );
  const settled = mem > 0 && guest.inside.agent;
  return {
    ...row,
    balloon: memory,
    ballooninfo: {
      actual: memory,
      max_mem: memory,
      ...(settled
        ? {
            total_mem: memory,
            free_mem: memory - mem,
            last_update: Math.floor(context.at / 1000),
            mem_swapped_in: 0,
            mem_swapped_out: 0,
            major_page_faults: 0,
            minor_page_faults: 1146,
          }
        : {}),
    },
    ...(settled ? { freemem: memory - mem } : {}),
    diskread,
    diskwrite,
    ...nonEmpty('blockstat', blockStatistics(guest)),
    ...nonEmpty('nics', nics),
    // The revision that names the MTU is only needed with a network card.
    'running-machine': `pc-i440fx-10.0+pve${Object.keys(nics).length > 0 ? 1 : 0}`,
    'running-qemu': '10.0.2',
    'proxmox-support': SUPPORT,
  };
}

function config(context: Context): Row {
  const guest = guestOf(context, typeOf(context));
  const name = text(context, 'snapshot');
  if (name !== undefined) return { ...snapshotConfig(guest, name, true), digest: digestOf(guest) };
  const shown = flag(context, 'current') ? guest.config : pendingConfig(guest);
  const printed = printConfig(guest, shown);
  if (typeOf(context) === 'lxc' && guest.config.arch === undefined) printed.arch = 'amd64';
  return { ...printed, ...(guest.parent ? { parent: guest.parent } : {}), digest: digestOf(guest) };
}

/** The snapshot's own endpoint shows the password hash, `config?snapshot=` masks it. */
export function snapshotConfig(guest: Guest, name: string, masked = false): Row {
  const snapshot = guest.snapshots[name] ?? refuse(`snapshot '${name}' does not exist`);
  const open = Object.fromEntries(Object.entries(snapshot.config).map(([key, value]) => [key, loose(guest.type, key, value)]));
  const printed = masked ? printConfig(guest, snapshot.config) : open;
  const optional = { ...(snapshot.parent ? { parent: snapshot.parent } : {}), ...(snapshot.vmstate ? { vmstate: snapshot.vmstate } : {}) };
  return { ...printed, ...optional, snaptime: snapshot.snaptime, ...(snapshot.description ? { description: snapshot.description } : {}) };
}

const typeOf = (context: Context): Guest['type'] => (context.method.path.startsWith('/nodes/{node}/lxc') ? 'lxc' : 'qemu');

/** Every key with the value in force, the one to come, or its deletion. */
function pending(context: Context): Row[] {
  const guest = guestOf(context, typeOf(context));
  const mask = (key: string, value: string) => (key === 'cipassword' ? '**********' : loose(guest.type, key, value));
  const rows: Row[] = Object.entries(guest.config).map(([key, value]) => {
    const row: Row = { key, value: mask(key, value) };
    const next = guest.pending[key];
    if (next !== undefined) row.pending = mask(key, next);
    const deletion = guest.pendingDelete[key];
    if (deletion !== undefined) row.delete = Number(deletion);
    return row;
  });
  for (const [key, value] of Object.entries(guest.pending))
    if (guest.config[key] === undefined) rows.push({ key, pending: mask(key, value) });
  // An option may be deleted that is not set (pve-guest-common, config_with_pending_array).
  for (const [key, deletion] of Object.entries(guest.pendingDelete))
    if (guest.config[key] === undefined && guest.pending[key] === undefined) rows.push({ key, delete: Number(deletion) });
  if (guest.parent) rows.push({ key: 'parent', value: guest.parent });
  return [...rows, { key: 'digest', value: digestOf(guest) }];
}

const INDEX = [
  'config',
  'cloudinit',
  'pending',
  'status',
  'unlink',
  'vncproxy',
  'termproxy',
  'migrate',
  'resize',
  'move',
  'rrd',
  'rrddata',
].concat(['monitor', 'agent', 'snapshot', 'spiceproxy', 'sendkey', 'firewall', 'mtunnel', 'remote_migrate']);

const isBase = (volid: string): boolean => /[:/]base(vol)?-/.test(volid) && !/\/vm-/.test(volid);

/** Whether every volume of the guest, or of one snapshot, can be snapshotted, cloned from or copied. */
function feature(context: Context): Row {
  const type = typeOf(context);
  const guest = guestOf(context, type);
  const [wanted, name] = [text(context, 'feature'), text(context, 'snapname')];
  const config = name === undefined ? guest.config : (guest.snapshots[name]?.config ?? refuse(`snapshot '${name}' does not exist`));
  const volumes = dataKeys({ type, config }).flatMap((key) => findVolume(context.world, guest.node, volumeOf(config[key] as string)) ?? []);
  const able = volumes.every((volume) => {
    const storage = context.world.get('storage', volume.storage);
    if (!storage) return false;
    if (wanted === 'snapshot') return canSnapshot(storage, volume);
    if (wanted === 'clone') return isBase(volume.volid) && (type === 'qemu' || !isFileBased(storage));
    return name === undefined || canSnapshot(storage, volume);
  });
  return { hasFeature: able ? 1 : 0, ...(type === 'qemu' ? { nodes: [guest.node] } : {}) };
}

export const READ_ROUTES: Routes = {
  'GET /nodes/{node}/qemu': (context) => listGuests(context, 'qemu'),
  'GET /nodes/{node}/qemu/{vmid}': () => INDEX.map((subdir) => ({ subdir })),
  'GET /nodes/{node}/qemu/{vmid}/status/current': status,
  'GET /nodes/{node}/qemu/{vmid}/config': config,
  'GET /nodes/{node}/qemu/{vmid}/pending': pending,
  'GET /nodes/{node}/qemu/{vmid}/feature': feature,
  'GET /nodes/{node}/lxc/{vmid}/feature': feature,
  'GET /nodes/{node}/lxc/{vmid}/config': config,
  'GET /nodes/{node}/lxc/{vmid}/pending': pending,
};
