import type { Audit } from '../audit/writer.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ProxmoxApi } from '../core/proxmox.ts';
import type { Settings } from '../core/settings.ts';
import type { Store } from '../store/index.ts';
import type { Notify } from './approvals/notify.ts';
import type { Vault } from './input/secrets.ts';
import type { InFlight } from './runs/in-flight.ts';
import type { Watch } from './runs/watch.ts';

/** What the rooms of the engine share. The connection and the store are opened when first needed: a probe or a read needs no store. */
export interface Ports {
  settings: Settings;
  api(): Promise<ProxmoxApi>;
  store(): Promise<Store>;
  audit: Audit;
  vault: Vault;
  clock: Clock;
  log: Log;
  /** Tells the operator about a new approval; absent: nobody is told. */
  notify?: Notify;
  /** This engine, as written into runs and reservations. */
  worker: string;
  inFlight: InFlight;
  /** Looks for requests whose outcome is unknown. */
  watch: Watch;
}

export function isoNow(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}
