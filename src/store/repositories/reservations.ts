import type { Kysely, Selectable } from 'kysely';
import { exclusive } from '../dialect.ts';
import { exactly, recordOf, rowOf } from '../row.ts';
import type { Database, Reservation, ReservationRow, Worker } from '../schema.ts';

type Demand = Pick<Reservation, 'node' | 'type' | 'cpu' | 'memoryMib' | 'diskGib' | 'space'>;
/** Until the plan states its needs. */
const NO_DEMAND: Demand = { node: '', type: 'qemu', cpu: 0, memoryMib: 0, diskGib: 0, space: {} };

/**
 * Reservations of work in flight, in the order in which their needs became known. A request writes its row, then reads the cluster, then
 * decides: earlier rows count, later ones do not.
 */
export function reservationsIn(db: Kysely<Database>) {
  return {
    /**
     * Reserves a name and a VMID for a new guest, or just a place in the queue for one that grows.
     * @param choose picks the VMID, given those that are reserved already; called inside the lock, so it must not wait for anything
     * @returns the reservation (an earlier one of the same id again), or the conflicting one of another call
     */
    async reserve(
      { now, ...reserved }: Pick<Reservation, 'id' | 'cluster' | 'name' | 'newGuest' | 'worker' | 'leaseUntil'> & { now: string },
      choose: (reserved: ReadonlySet<number>) => number,
    ): Promise<{ mine: Reservation } | { other: Reservation }> {
      return exclusive(db, async (tx) => {
        const { id, cluster, name, newGuest } = reserved;
        const all = tx.selectFrom('reservations').selectAll();
        const again = await all.where('id', '=', id).executeTakeFirst();
        if (again) return { mine: read(again) };
        const others = (await all.where('cluster', '=', cluster).where('new_guest', '=', 1).execute()).map(read);
        const nameKey = newGuest && name !== '' ? name.toLowerCase() : null;
        const namesake = others.find((r) => r.name.toLowerCase() === nameKey);
        if (namesake) return { other: namesake };
        const vmid = choose(new Set(others.map((r) => r.vmid)));
        const holder = newGuest ? others.find((r) => r.vmid === vmid) : undefined;
        if (holder) return { other: holder };
        const row = await tx
          .insertInto('reservations')
          .values({ ...rowOf({ ...reserved, vmid, ...NO_DEMAND, state: 'held' as const, changedAt: now }), name_key: nameKey })
          .returningAll()
          .executeTakeFirstOrThrow();
        return { mine: read(row) };
      });
    },

    async all(cluster: string): Promise<Reservation[]> {
      return (await db.selectFrom('reservations').selectAll().where('cluster', '=', cluster).orderBy('seq').execute()).map(read);
    },

    async get(id: string): Promise<Reservation | undefined> {
      const row = await db.selectFrom('reservations').selectAll().where('id', '=', id).executeTakeFirst();
      return row && read(row);
    },

    /**
     * The plan's needs, once known. The reservation goes to the end of the queue: work that was counted before could not see these needs, so
     * it counts as earlier.
     * @returns the reservation at its new place; undefined when another process released it meanwhile
     */
    async setDemand(id: string, { node, type, cpu, memoryMib, diskGib, space }: Demand): Promise<Reservation | undefined> {
      return exclusive(db, async (tx) => {
        const row = await tx.deleteFrom('reservations').where('id', '=', id).returningAll().executeTakeFirst();
        if (!row) return undefined;
        const { seq: _earlier, ...kept } = row;
        const demanded = { ...kept, ...rowOf({ node, type, cpu, memoryMib, diskGib, space }) };
        return read(await tx.insertInto('reservations').values(demanded).returningAll().executeTakeFirstOrThrow());
      });
    },

    /** @returns false when another process released the reservation meanwhile, because this one seemed to have ended */
    async setRun(id: string, runId: string): Promise<boolean> {
      const { numUpdatedRows } = await db.updateTable('reservations').set({ run_id: runId }).where('id', '=', id).executeTakeFirst();
      return numUpdatedRows === 1n;
    },

    /** The run succeeded, for all of its guests or for one, which exists or has grown. Lists may not show it yet. Its earlier sizes no longer count. */
    async markMade(runId: string, now: string, vmid?: number): Promise<void> {
      const made = await db
        .updateTable('reservations')
        .set({ state: 'made', changed_at: now, space: '{}' })
        .where('run_id', '=', runId)
        .$if(vmid !== undefined, (query) => query.where('vmid', '=', vmid ?? 0))
        .returning(['id', 'cluster', 'vmid', 'new_guest'])
        .execute();
      for (const { id, cluster, vmid } of made.filter((row) => row.new_guest === 0))
        await db
          .deleteFrom('reservations')
          .where((e) => e.and(exactly({ cluster, vmid, new_guest: 0, state: 'made' })))
          .where('id', '!=', id)
          .execute();
    },

    async release(id: string): Promise<void> {
      await db.deleteFrom('reservations').where('id', '=', id).execute();
    },
    async releaseRun(runId: string, vmid?: number): Promise<void> {
      const all = db.deleteFrom('reservations').where('run_id', '=', runId);
      await (vmid === undefined ? all : all.where('vmid', '=', vmid)).execute();
    },
    /** Frees the VMID and the name after a deletion. */
    async releaseGuest(cluster: string, vmid: number): Promise<void> {
      await db.deleteFrom('reservations').where('cluster', '=', cluster).where('vmid', '=', vmid).where('state', '=', 'made').execute();
    },
    /**
     * Releases a reservation whose process ended before its run began.
     * @returns false when it has a run by now: then it still counts
     */
    async releaseOrphan(id: string, worker: Worker): Promise<boolean> {
      await db.deleteFrom('reservations').where('id', '=', id).where('worker', '=', worker).where('run_id', 'is', null).execute();
      return (await db.selectFrom('reservations').select('id').where('id', '=', id).executeTakeFirst()) === undefined;
    },
  };
}

const read = (row: Selectable<ReservationRow>): Reservation => {
  const { name_key: _key, ...rest } = row;
  return recordOf<Reservation>(rest, { json: ['space'], flags: ['newGuest'] });
};
