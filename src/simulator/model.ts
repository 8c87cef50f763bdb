/** Plain data of the simulated cluster. Everything here is stored as JSON. */

export type Config = Record<string, string>;

export interface Snapshot {
  config: Config;
  snaptime: number;
  description: string;
  parent?: string;
  /** Volume id of the saved memory. */
  vmstate?: string;
  /** Left by a task that was interrupted. */
  snapstate?: 'prepare' | 'delete';
}

/** The state inside a guest, which the hypervisor cannot know. */
export interface Inside {
  /** Reacts to the ACPI power button. */
  acpi: boolean;
  /** Runs the guest agent. */
  agent: boolean;
  /** IPv4 address it takes when no static one is configured. */
  ip?: string;
  /** Between which shares of its CPUs and of its memory its use varies. */
  load?: { cpu: [number, number]; memory: [number, number] };
}

export interface Guest {
  vmid: number;
  type: 'qemu' | 'lxc';
  node: string;
  config: Config;
  pending: Config;
  /** Keys to be deleted at the next stop; '2' destroys the volume too. */
  pendingDelete: Record<string, '1' | '2'>;
  snapshots: Record<string, Snapshot>;
  parent?: string;
  /** `resumed`: woken with its memory, so that nothing in it has to boot. `halted`: a run state of QEMU in which nothing in it runs, such as `io-error`. */
  running?: { since: number; pid: number; paused?: boolean; resumed?: boolean; halted?: string };
  /** Epoch ms of the last stop; a very quick restart meets the node's own clean-up. */
  stoppedAt?: number;
  inside: Inside;
  /** The row that the status daemon last broadcast, kept while it is older than the present state; absent: never broadcast. */
  broadcast?: Record<string, unknown>;
  /** Epoch ms since when the present state holds. */
  changedAt: number;
}

export interface Volume {
  volid: string;
  storage: string;
  /** Empty for shared storages. */
  node: string;
  content: 'images' | 'rootdir' | 'iso' | 'vztmpl' | 'backup' | 'import';
  format: string;
  /** Bytes; of an image to import the size of the file. */
  size: number;
  /** Bytes that a disk made from an image to import has, where they are more than the file's. */
  virtual?: number;
  used: number;
  vmid?: number;
  /** Epoch seconds. */
  ctime: number;
  /** Volume this one is a linked clone of. */
  parent?: string;
  notes?: string;
  protected?: boolean;
  subtype?: 'qemu' | 'lxc';
  /** Result of the last verification of a backup, on a backup server. */
  verification?: 'ok' | 'failed';
  /** Snapshots or pending changes were cut off the configuration inside a backup: an empty line is left of them. */
  wasCut?: true;
  /** Configuration inside a backup. */
  config?: Config;
}

export interface Storage {
  storage: string;
  type: 'dir' | 'lvmthin' | 'nfs' | 'pbs' | 'rbd' | 'zfspool';
  content: string[];
  shared: boolean;
  path?: string;
  extra?: Record<string, string>;
  disabled?: boolean;
  /** Nodes that have it; absent: all. */
  nodes?: string[];
  /** Bytes. */
  total: number;
  /** Bytes used by what is not simulated. */
  base: number;
  /** Bytes by which its use has grown each day until now. */
  growth?: number;
  /** Retention that a backup without an own one follows, `keep-last=3`. */
  prune?: string;
}

export interface NodeDoc {
  node: string;
  online: boolean;
  ip: string;
  cpus: number;
  /** Bytes. */
  memory: number;
  /** Its name server. */
  dns: string;
  rootTotal: number;
  rootUsed: number;
  bootedAt: number;
  /** `vnet`: made by the network of the cluster, in that zone. */
  bridges: { iface: string; cidr?: string; comment?: string; vlanAware?: true; pending?: boolean; vnet?: true; zone?: string }[];
  /** Bridges as they will be when the staged changes are applied. */
  staged?: NodeDoc['bridges'];
  /** Physical interfaces; `pending`: configured, but not there. Default: eth0. */
  cards?: { iface: string; pending?: boolean }[];
  /** Difference between the interfaces file and the one to come. */
  networkChanges?: string;
}

export interface Pool {
  poolid: string;
  comment?: string;
  vms: number[];
  storage: string[];
}

export interface User {
  userid: string;
  comment?: string;
  email?: string;
  enable: 0 | 1;
  expire: number;
}

export interface Token {
  /** user@realm!name */
  tokenid: string;
  secret: string;
  privsep: 0 | 1;
  /** Epoch seconds, 0 = never. */
  expire: number;
  comment?: string;
}

export interface Role {
  roleid: string;
  privs: string[];
  special?: 1;
}

export interface Acl {
  path: string;
  type: 'user' | 'token' | 'group';
  ugid: string;
  roleid: string;
  propagate: 0 | 1;
}

export interface HaResource {
  sid: string;
  state: string;
  vmid: number;
  comment?: string;
  failback?: number;
  max_relocate?: number;
  max_restart?: number;
}

/** A rule of the HA manager: resources kept on some nodes, together, or apart. */
export interface HaRule {
  rule: string;
  type: 'node-affinity' | 'resource-affinity';
  /** Comma-separated, `vm:100`. */
  resources: string;
  /** Comma-separated, each with an optional priority: `pve:2,pve2`. */
  nodes?: string;
  strict?: 0 | 1;
  affinity?: 'positive' | 'negative';
  disable?: 0 | 1;
  comment?: string;
}

/** A zone, a virtual network or a subnet: as it is applied, and as it is configured. */
export interface SdnPart {
  kind: 'zone' | 'vnet' | 'subnet';
  id: string;
  running?: Record<string, unknown>;
  /** Absent: to be deleted. */
  wanted?: Record<string, unknown>;
}

export interface Firewall {
  rules: Record<string, unknown>[];
  options: Record<string, unknown>;
  /** By name in lower case. */
  aliases?: Record<string, { name: string; cidr: string; comment?: string }>;
  ipsets?: Record<string, { comment?: string; entries: { cidr: string; comment?: string; nomatch?: 1 }[] }>;
  /** Security groups; the cluster's alone. */
  groups?: Record<string, { comment?: string; rules: Record<string, unknown>[] }>;
}

/** A file that the nodes can fetch from the network; there is no other one. */
export interface Site {
  url: string;
  /** Bytes. */
  size: number;
  mimetype: string;
  /** Checksums by algorithm; one that is missing is made up. */
  sums?: Record<string, string>;
}

/** Documents kept by kind and id. */
export interface Things {
  node: NodeDoc;
  storage: Storage;
  volume: Volume;
  pool: Pool;
  user: User;
  token: Token;
  role: Role;
  acl: Acl;
  ha: HaResource;
  'ha-rule': HaRule;
  job: Record<string, unknown>;
  /** By VMID, `node/NAME` or `cluster`. */
  firewall: Firewall;
  /** By `GUEST-NUMBER`. */
  replication: Record<string, unknown>;
  group: { groupid: string; comment?: string; users: string[] };
  /** Targets and matchers, by `KIND/NAME`. */
  notification: Record<string, unknown>;
  /** By `zone/NAME`, `vnet/NAME`, `subnet/NAME`. */
  sdn: SdnPart;
  process: { pid: number; vmid: number; out: string; exitcode: number; err?: string; signal?: number; until?: number };
  options: Record<string, unknown>;
  /** By URL. */
  site: Site;
  /** Templates of containers that can be downloaded, by file name. */
  appliance: Record<string, string>;
  /** By node: since when (epoch ms) its status daemon is silent. */
  silence: { since: number };
}

export interface Task {
  seq: number;
  upid: string;
  node: string;
  /** Process id and its start tick, as they stand in the UPID. */
  pid: number;
  pstart: number;
  type: string;
  id: string;
  /** The user that started it: user@realm!token. */
  owner: string;
  /** Epoch ms. */
  start: number;
  /** Epoch ms of its next event. */
  due: number;
  end?: number;
  state: 'waiting' | 'running' | 'done';
  kind: string;
  args: Record<string, unknown>;
  /** VMIDs whose lock file it holds while it runs. */
  locks: number[];
  log: string[];
  warnings: number;
  exit?: string;
  /** The node's own doings, in no list. */
  hidden?: boolean;
  /** Injected: how it must end, how much longer it takes (ms). */
  failWith?: string;
  slower?: number;
}
