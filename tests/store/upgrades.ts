import { type Kysely, Migrator, sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/index.ts';
import { MIGRATIONS } from '../../src/store/migrate.ts';

/** An empty database, and the store on it as this version opens it. */
export interface Fresh {
  db: Kysely<unknown>;
  open(): Promise<Store>;
}

const BEGAN = '2026-01-03T00:00:00.000Z';
const SAVED = '2026-01-02T00:00:00.000Z';
const volume = 'nas:backup/vzdump-qemu-100-2026_01_02-00_00_00.vma.zst';
const restored = {
  steps: [{ kind: 'request', params: { archive: volume } }],
  binds: { [`backup ${volume}`]: { volid: volume, size: 1, time: Date.parse(SAVED) / 1000 } },
};
const cloned = { steps: [{ kind: 'request', params: { newid: 101 } }] };

/** The rules of an upgrade, from the tables of each earlier version, on one database. */
export function upgradeContract(database: string, fresh: () => Promise<Fresh>): void {
  describe(`an upgrade on ${database}`, () => {
    const versions = Object.keys(MIGRATIONS).slice(0, -1);
    it.each(versions)('from %s keeps the birth of each guest, which its run shows', async (version) => {
      const { db, open } = await fresh();
      const { error } = await new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } }).migrateTo(version);
      expect(error).toBeUndefined();
      for (const [id, plan] of Object.entries({ restoring: restored, cloning: cloned })) {
        // The clock of the server was ahead of Proxmox's, which the journal has.
        const steps = JSON.stringify([{ id: 's', state: 'done', at: BEGAN }]);
        await sql`insert into runs (id, cluster, principal, operation, args, plan, digest, status, steps, worker, lease_until, started_at, ended_at)
          values (${id}, 'c', 'p', 'x', '{}', ${JSON.stringify(plan)}, 'd', 'succeeded', ${steps}, 'w', ${BEGAN}, ${BEGAN}, ${BEGAN})`.execute(
          db,
        );
      }
      for (const [vmid, run] of [
        [100, 'restoring'],
        [101, 'cloning'],
        [102, 'deleted by retention'],
      ] as const)
        await sql`insert into guests (cluster, vmid, key, run_id, created_at)
          values ('c', ${vmid}, 'k', ${run}, '2026-01-04T00:00:00.000Z')`.execute(db);
      await db.destroy();
      const store = await open();
      const lives = await store.guests.lives('c', [100, 101, 102]);
      expect(lives.sort((a, b) => a.vmid - b.vmid)).toEqual([
        { vmid: 100, at: BEGAN, savedAt: SAVED, runId: 'restoring' },
        { vmid: 101, at: BEGAN, savedAt: null, runId: 'cloning' },
        { vmid: 102, at: '2026-01-04T00:00:00.000Z', savedAt: null, runId: 'deleted by retention' },
      ]);
      await store.close();
    });
  });
}
