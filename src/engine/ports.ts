import type { Audit } from '../audit/writer.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ApprovalRecord } from '../core/plan/approval.ts';
import type { RunRecord } from '../core/plan/run.ts';
import type { ClusterSettings, Settings } from '../core/settings/settings.ts';
import type { Store } from '../store/index.ts';
import type { Cluster } from './clusters/cluster.ts';
import type { Vault } from './input/secrets.ts';
import type { InFlight } from './runs/steps/in-flight.ts';

/** The dependencies of the engine that do not depend on the cluster. The store is opened when first needed: a probe or a read needs none. */
export interface ServerPorts {
  /** Without those of a cluster, which come with it. */
  settings: Omit<Settings, keyof ClusterSettings>;
  store(): Promise<Store>;
  audit: Audit;
  vault: Vault;
  clock: Clock;
  log: Log;
  /** Tells the operator about a new approval; absent: no notification. */
  notify?: Notify;
  /** This engine, as written into runs and reservations. */
  worker: string;
  inFlight: InFlight;
  watch: Watcher;
}

/** The dependencies of work on one cluster. */
export interface Ports extends ServerPorts {
  cluster: Cluster;
}

/** The dependencies with the cluster, which is opened by the first call or worker that needs it. */
export type OpenPorts = () => Promise<Ports>;

/**
 * Announces a new approval. Never rejects: the requester does not wait for it, and a fault is a warning in the log.
 * @param waiting given when the requester's limit is reached: how many of its approvals are pending; further ones are not announced
 */
export type Notify = (approval: ApprovalRecord, waiting?: number) => Promise<void>;

/** Looks for requests whose outcome is unknown, in the background. */
export interface Watcher {
  /** Takes up the runs that this or another process left unknown not long ago. */
  takeUp(ports: Ports): Promise<void>;
  begin(run: RunRecord, ports: Ports): void;
  /** Looks once more, now; the run as it is known afterwards. */
  look(run: RunRecord, ports: Ports): Promise<RunRecord>;
  close(): Promise<void>;
}

export function isoNow(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}
