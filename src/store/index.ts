import type { Kysely } from 'kysely';
import { type Approvals, approvalsIn } from './approvals.ts';
import { openStore as open } from './open.ts';
import { type Reservations, reservationsIn } from './reservations.ts';
import { type Runs, runsIn } from './runs.ts';
import type { Database } from './schema.ts';
import { type Secrets, secretsIn } from './secrets.ts';

/** Everything this server remembers, beside the audit. */
export interface Store {
  approvals: Approvals;
  runs: Runs;
  reservations: Reservations;
  secrets: Secrets;
  close(): Promise<void>;
}

export function storeOn(db: Kysely<Database>): Store {
  return {
    approvals: approvalsIn(db),
    runs: runsIn(db),
    reservations: reservationsIn(db),
    secrets: secretsIn(db),
    close: () => db.destroy(),
  };
}

/** Opens the embedded store of an installation. @throws store_unavailable */
export async function openStore(dataDir: string): Promise<Store> {
  return storeOn(await open(dataDir));
}
