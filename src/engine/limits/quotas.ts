import { defined } from '../../core/defined.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { type Quota, type Quotas, TOTALS, type Total, type Usage } from '../../core/settings/limits.ts';
import type { LimitSettings } from '../../core/settings/settings.ts';
import { hiddenPools } from '../../proxmox/access/pools.ts';
import { seesEveryDisk } from '../../proxmox/access/visibility.ts';
import { completed } from '../../proxmox/guest/fresh.ts';
import { type GuestRow, listGuests, readGuest } from '../../proxmox/guest/guests.ts';
import type { Reservation } from '../../store/schema.ts';
import type { Ports } from '../ports.ts';
import { diskSums, type Inventory, usage } from './quota.ts';
import { tidy } from './reservations.ts';

type Counted = { limits: LimitSettings; api: ProxmoxReader };

/** Reservations first, then the cluster: a guest that leaves the reservations in between is visible by then. */
export async function takeInventory(ports: Ports): Promise<Inventory> {
  const { api, name: cluster, limits } = ports.cluster;
  const store = await ports.store();
  const rows = await store.reservations.all(cluster);
  const listed = await listGuests(api);
  const reserved = await tidy(rows, listed, ports);
  const created = limits.scope.kind === 'created' ? new Set(await store.guests.madeVmids(cluster)) : new Set<number>();
  return { guests: await sized(listed, reserved, ports.cluster), reserved, created };
}

/** The same without a store, which a diagnosis does not create: nothing is reserved, and no guest was created through this server. */
export async function takeInventoryWithoutStore(cluster: Counted): Promise<Inventory> {
  return { guests: await sized(await listGuests(cluster.api), [], cluster), reserved: [], created: new Set() };
}

/** The usage of the scope, with and without reservations. The disks are requested only where their total is limited: lists show the boot disk alone. */
export async function used(inventory: Inventory, { limits, api }: Counted): Promise<{ all: Usage; existing: Usage }> {
  const [disks, seesAll] = limits.maxTotalDiskGib === undefined ? [] : await Promise.all([diskSums(api), seesEveryDisk(api)]);
  const sum = (counted: Inventory) => ({ ...usage(counted, limits, disks), unseenDisks: seesAll === false });
  return { all: sum(inventory), existing: sum({ ...inventory, reserved: [] }) };
}

/** Every limit over the scope, and how much of it is used, for doctor, metrics and console. */
export async function quotasOf(inventory: Inventory, { limits, api }: Counted): Promise<Quotas> {
  const { scope } = limits;
  if (scope.kind === 'pool' && (await hiddenPools(api, [scope.pool])).size > 0)
    return { scope, hiddenPool: scope.pool, quotas: TOTALS.map(({ size, limit, variable }) => row(size, variable, limits[limit])) };
  const { all, existing } = await used(inventory, { limits, api });
  return {
    scope,
    quotas: TOTALS.map(({ size, limit, variable }) => {
      const allowed = limits[limit];
      if (size === 'diskGib' && allowed === undefined) return row(size, variable, allowed);
      const counted = { used: existing[size], reserved: all[size] - existing[size] };
      const left = allowed === undefined ? {} : { left: Math.max(0, allowed - all[size]) };
      const unseen = size === 'diskGib' && all.unseenDisks ? { unseenDisks: true as const } : {};
      return { ...row(size, variable, allowed), ...counted, ...left, ...unseen };
    }),
  };
}

function row(size: Total, variable: string, limit: number | undefined): Quota {
  return { size, variable, ...defined({ limit }) };
}

/** Fresh guests, and those of a node that is down, are listed without their sizes; their configuration has them. */
async function sized(
  listed: readonly GuestRow[],
  reserved: readonly Reservation[],
  { limits, api }: Counted,
): Promise<readonly GuestRow[]> {
  const guests = await completed(api, listed);
  if ([limits.maxTotalCpu, limits.maxTotalRamMib, limits.maxTotalDiskGib].every((limit) => limit === undefined)) return guests;
  return Promise.all(
    guests.map(async (row) => {
      if ((row.cpus ?? 0) > 0 || row.template || reserved.some((r) => r.vmid === row.vmid)) return row;
      const guest = await readGuest(api, row).catch(() => undefined);
      if (!guest) return row;
      const { cpu = 0, memoryMib, diskGib } = guest.sizes;
      return { ...row, cpus: cpu, memoryMib, diskGib, template: guest.template };
    }),
  );
}
