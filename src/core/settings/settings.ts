import type { Policy } from './policy.ts';
import type { Toolset } from './toolset.ts';

/**
 * The operator's settings, validated. `config/schema.ts` describes every one of them and its environment variable. With `clusters` the
 * settings of a cluster at the top are defaults that describe none: `clustersOf` tells which there are.
 */
export interface Settings extends ClusterSettings {
  /** The clusters of PROXMOX_CLUSTERS_FILE in its order; absent: the only cluster is that of the environment. */
  clusters?: readonly NamedCluster[];
  approval: { mode: ApprovalMode; ttlSeconds: number; maxPendingPerPrincipal: number };
  /** Where new approvals are announced; absent: nowhere. */
  notify?: NotifySettings;
  /** How long a change waits for its task before it answers `running`. */
  waitSeconds: number;
  /** Read operations only: the others do not exist for callers. */
  readOnly: boolean;
  /** Names, in lower case, of clients that may show cards. */
  cardClients: readonly string[];
  /** Groups of operations that exist for callers. */
  toolsets: readonly Toolset[];
  dataDir: string;
  /** Days after which ended runs, decided approvals and expired tokens are forgotten; 0: never. */
  retentionDays: number;
  auditFile: string;
  /** A second place that remembers where the audit stands; absent: none. */
  auditAnchor?: AnchorPlace;
  logLevel: (typeof LOG_LEVELS)[number];
  /** Shared by several servers; absent: SQLite in the data folder. */
  databaseUrl?: string;
  http: HttpSettings;
  /** Everything happens on the embedded cluster. */
  demo: boolean;
}

/** The settings of one cluster. */
export interface ClusterSettings {
  connection: ConnectionSettings;
  /** Defaults for new guests; undefined: chosen, or an error that lists the candidates. */
  defaults: { node: string; nodeIsExplicit: boolean; storage?: string; pool?: string };
  limits: LimitSettings;
  policy: Policy;
}

/** A cluster of PROXMOX_CLUSTERS_FILE. */
export interface NamedCluster extends ClusterSettings {
  name: string;
}

/** The clusters that are served: those of the file, or the only one, which has no name. */
export function clustersOf({ clusters, connection, defaults, limits, policy }: Settings): readonly (ClusterSettings & { name?: string })[] {
  return clusters ?? [{ connection, defaults, limits, policy }];
}

/** Names that callers choose from; none where there is only one cluster. */
export function choicesOf({ clusters = [] }: Pick<Settings, 'clusters'>): string[] {
  return clusters.length > 1 ? clusters.map(({ name }) => name) : [];
}

export interface ConnectionSettings {
  /** Endpoints of one cluster, in order of preference. */
  endpoints: { host: string; port: number }[];
  tokenId: string;
  tokenSecret: string;
  verifySsl: boolean;
  /** SHA-256 fingerprints (AA:BB:…) of accepted leaf certificates. */
  fingerprints: string[];
  caFile?: string;
}

export interface LimitSettings {
  /** Per guest: vCPUs (sockets × cores), MiB, GiB. */
  maxCpu: number;
  maxRamMib: number;
  maxDiskGib: number;
  /** Number of guests in the scope. */
  maxVms: number;
  /** Sums over the scope; undefined: no limit. */
  maxTotalCpu?: number;
  maxTotalRamMib?: number;
  maxTotalDiskGib?: number;
  scope: QuotaScope;
  /** Hosts of files that nodes may fetch, with `*.` for all names below a domain; absent: none. */
  mediaHosts?: readonly string[];
}

/** Which guests count: all visible ones, those created through this server, those of a pool or with a tag. */
export type QuotaScope = { kind: 'visible' } | { kind: 'created' } | { kind: 'pool'; pool: string } | { kind: 'tag'; tag: string };

/** Serving agents on other machines. */
export interface HttpSettings {
  host: string;
  port: number;
  /** Without a final slash; the first one is what people and OAuth are told. Empty: only this machine is served. */
  publicUrls: string[];
  certFile?: string;
  keyFile?: string;
  /** Networks of reverse proxies. */
  trustedProxies: string[];
  /** Requests per minute and identity. */
  perMinute: number;
  replica: string;
  oauth?: { issuer: string; audiences: string[]; jwksUrl?: string; trustedSubjects: string[] };
}

/** Where checkpoints of the audit go: a file, a syslog daemon on this machine, or an address that takes POST requests. */
export type AnchorPlace = { kind: 'file'; path: string } | { kind: 'syslog'; port: number } | { kind: 'http'; url: string };

export interface NotifySettings {
  /** May hold a secret: never shown. */
  url: string;
  kind: NotifyKind;
  /** Address of the console, without a final slash; absent: no link. */
  consoleUrl?: string;
}

/** `PROXMOX_APPROVAL`, from the least strict. See docs/approvals.md. */
export const APPROVAL_MODES = ['relay', 'auto', 'human'] as const;
export type ApprovalMode = (typeof APPROVAL_MODES)[number];

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export const NOTIFY_KINDS = ['ntfy', 'slack', 'json'] as const;
type NotifyKind = (typeof NOTIFY_KINDS)[number];

/**
 * The identity of a cluster of the file, to which approvals, runs and reservations belong: its name and its authority. So an entry that
 * comes to mean another cluster has none of the approvals of the former one.
 * @param authority SHA-256 fingerprint of the cluster's CA
 */
export function identityOf(name: string, authority: string): string {
  return `${name}@${authority.replaceAll(':', '').toLowerCase().slice(0, 16)}`;
}

/** The name under which its certificate is pinned and a list of clusters shows it. It is that of the file, else the endpoints. */
export function pinnedAs({ name, connection }: Pick<ClusterSettings, 'connection'> & { name?: string }): string {
  return name ?? clusterNameOf(connection);
}

/** The name in an identity. */
export function nameIn(identity: string): string {
  return identity.split('@', 1)[0] ?? '';
}

/** `work: ` before what a human reads about one of several clusters; nothing where the only cluster has no name. */
export function clusterPrefix(identity: string): string {
  return identity.includes('@') ? `${nameIn(identity)}: ` : '';
}

/** Approvals, runs and pins belong to a cluster: its endpoints in a fixed order, so that the order of preference may change. */
export function clusterNameOf({ endpoints }: ConnectionSettings): string {
  return endpoints
    .map(({ host, port }) => `${host}:${port}`)
    .sort()
    .join(',');
}
