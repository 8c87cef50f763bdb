import type { ErrorCode } from '../../core/errors/errors.ts';

/** The meaning of one of Proxmox's sentences. */
export interface Refusal {
  /** The group `taken` is the VMID that exists already. */
  match: RegExp;
  code: ErrorCode;
  /** Better than the hint of the code. */
  hint?: string;
  /** This answer leaves it unknown whether the request took effect. */
  unknown?: true;
  /** Proves that nothing was done, as an answer and as the exit status of a task: a busy lock, asked for again after a while. */
  retry?: true;
  /** The state that the guest has already, so that nothing was to be done. The caller verifies it on the guest. */
  already?: 'running' | 'stopped';
}

/**
 * Proxmox's refusals by their text, because its status codes say little; first match wins, an unknown sentence is
 * `proxmox_refused`. The same sentences appear as the exit status of tasks, sometimes behind "unable to create VM 105 - ".
 * Texts recorded from Proxmox VE 9.2 (pve-manager 9.2.11, qemu-server 9.2.6) or read in its sources.
 */
const REFUSALS: readonly Refusal[] = [
  // Identity and existence
  { match: /^Configuration file 'nodes\/[^/]+\/(qemu-server|lxc)\/\d+\.conf' does not exist/, code: 'guest_not_found' },
  { match: /^unable to find configuration file for (VM|CT) \d+ on node /, code: 'guest_not_found' },
  { match: /^(unable to (create|restore) (VM|CT) \d+ - )?(VM|CT) (?<taken>\d+) already exists( on node .*)?$/, code: 'conflict' },
  { match: /^unable to create (VM|CT) (?<taken>\d+): config file already exists/, code: 'conflict' },
  { match: /^(.* - )?close \(rename\) atomic file '.*\/(?<taken>\d+)\.conf' failed: File exists/, code: 'conflict' },
  {
    match: /^unable to get any free VMID in range/,
    code: 'conflict',
    hint: 'Ask the operator to widen the VMID range (datacenter option next-id). Every VMID of it is taken.',
  },
  {
    match: /^(VM|CT) \d+ is already a pool member/,
    code: 'conflict',
    hint: 'Ask the operator to move the guest, which is in a pool already.',
  },
  { match: /^snapshot name '.*' already used/, code: 'conflict', hint: 'Choose another snapshot name.' },
  {
    match: /^base volume '.*' is still in use by linked clone/,
    code: 'conflict',
    hint: 'Delete its linked clones first, or convert them to full clones.',
  },
  {
    match: /^(checksum miss?match \(file change by other user\?\)|detected modified configuration)/,
    code: 'conflict',
    hint: 'Call again. Another client changed the configuration at the same time, and nothing was written.',
  },
  { match: /^\S+ - cloud-init drive is already attached/, code: 'conflict', hint: 'Use the cloud-init drive that the guest has already.' },
  // As the exit status of a task, also behind what the task was about: "unable to create VM 105 - ".
  { match: /^(.* - |.*: )?403 Permission check failed/, code: 'permission_denied' },
  { match: /^(no such task|unable to parse worker upid)/, code: 'task_unknown' },
  // Locks
  {
    // `qm unlock` would throw the saved memory away.
    match: /^VM is locked \(suspended\)/,
    code: 'locked',
    hint: 'Wake the hibernated guest with start_vm, then call again.',
  },
  {
    match: /^(VM|CT) is locked \(\S+\)/,
    code: 'locked',
    hint: 'Wait for the task that holds the lock. If none runs, the operator clears it on the node: `qm unlock VMID` or `pct unlock VMID`.',
  },
  { match: /^can't lock file '[^']*\/(qemu-server|lxc)\/[^']*' - got timeout/, code: 'locked', retry: true },
  { match: /^(can't lock file '|cfs-lock '|.*got lock request timeout|Failed to obtain guest migration lock)/, code: 'locked' },
  // State of the guest
  {
    match: /^((unable to restore VM \d+ - )?vm is running|VM \d+ is running - destroy failed|.*container is running)/,
    code: 'guest_running',
  },
  { match: /^you can't convert a VM to template if VM is running/, code: 'guest_running' },
  { match: /^Full clone of a running container is only possible/, code: 'guest_running' },
  { match: /protection mode enabled/, code: 'guest_protected' },
  {
    match: /^(VM|CT) \d+ already running/,
    code: 'guest_state',
    already: 'running',
    hint: 'Nothing needs to be done. The guest runs already.',
  },
  {
    match: /^(VM|CT) \d+ (is )?not running/,
    code: 'guest_state',
    already: 'stopped',
    hint: 'Start the guest first with start_vm.',
  },
  { match: /^VM is paused - cannot shutdown/, code: 'guest_state', hint: 'Resume it first, or stop it by force.' },
  {
    match: /^VM quit\/powerdown failed - got timeout/,
    code: 'guest_state',
    hint: 'Wait longer, or call stop_vm with force. The guest did not react and still runs.',
  },
  {
    match: /^you can't (start a vm if it's a|convert a template to a) template/,
    code: 'guest_state',
    hint: 'Clone the template first.',
  },
  {
    match: /^unexpected state change/,
    code: 'guest_state',
    hint: 'Check the guest and call again. It was started or stopped at the same time.',
  },
  { match: /^No QEMU guest agent configured/, code: 'guest_state', hint: 'Enable the agent option of the VM, then stop and start it.' },
  {
    match: /^QEMU guest agent is not running/,
    code: 'guest_state',
    hint: 'Wait until the guest has booted, or install qemu-guest-agent in it.',
  },
  {
    match: /^VM \d+ qga command '.*' failed - got timeout/,
    code: 'guest_state',
    hint: 'Call again later. The guest agent did not answer in time.',
    unknown: true,
  },
  { match: /^Agent error: Command .* has been disabled/, code: 'not_possible', hint: "The guest's own policy forbids this agent command." },
  // Storage
  {
    match: /^storage '.*' (does not exist|is disabled|is not online|is not available on node|does not support)/,
    code: 'storage_unavailable',
  },
  { match: /^No such storage/, code: 'storage_unavailable' },
  { match: /(can't use storage '.*' for|not enough free space|no space left|[Nn]o space left on device)/, code: 'storage_unavailable' },
  {
    match: /^(unable to create (VM|CT) \d+ - )?(volume '.*' does not exist|failed to stat '|volume_size_info on '.*' failed)/,
    code: 'storage_unavailable',
    hint: 'Choose one of the listed volumes. This one does not exist on the node.',
  },
  // Requests that Proxmox never executes
  {
    match:
      /^(only root can set '|Only root may use this option|Only root can pass|.*only allowed for root@pam|Permission check failed \(user != root@pam\))/i,
    code: 'not_possible',
    hint: 'Ask the operator to do it on the node. Only root@pam with a password may do this, never an API token.',
  },
  {
    match: /^shrinking disks is not supported|^unable to shrink disk/,
    code: 'not_possible',
    hint: 'Ask for a larger size. Disks only grow.',
  },
  { match: /^you can't resize a cdrom/, code: 'not_possible', hint: 'Name a disk, not a CD drive.' },
  {
    match: /^parameter 'storage' not allowed for linked clones/,
    code: 'not_possible',
    hint: 'Make a full clone, or leave the storage out.',
  },
  { match: /^Linked clone feature is not supported/, code: 'not_possible', hint: 'Make a full clone.' },
  { match: /^can't clone (VM )?to (node|non-shared storage) /, code: 'not_possible', hint: 'Clone on the same node, then migrate.' },
  { match: /^snapshot feature is not available/, code: 'not_possible', hint: 'Move the disks to a storage that supports snapshots.' },
  { match: /^can't rollback, '.*' is not most recent snapshot/, code: 'not_possible', hint: 'Delete the newer snapshots first.' },
  {
    match: /^(unable to remove VM \d+ - used in HA resources|There is a replication job )/,
    code: 'not_possible',
    hint: 'Delete with purge, which also removes it from HA, replication and backup jobs.',
  },
  { match: /^can't migrate (running VM without --online|.*uses local devices)/, code: 'not_possible' },
  { match: /^target is local node/, code: 'not_possible', hint: 'Choose another node. The guest is on this one already.' },
  { match: /^you can't move (to the same storage|a disk with snapshots)/, code: 'not_possible' },
  {
    match: /^Permission check failed \(pool '.*' does not exist\)|^pool '.*' does not exist/,
    code: 'not_possible',
    hint: 'Choose an existing pool.',
  },
  {
    match: /^URI '.*' not available with API token|^Permission check failed \(URI '.*' not available with API token/,
    code: 'not_possible',
  },
  {
    match: /^(hostname lookup '.*' failed|no such cluster node ')/,
    code: 'not_possible',
    hint: 'Choose an existing node. No node of the cluster has this name.',
  },
  { match: /^(update pools failed: |delete pool failed: |create pool failed: )/, code: 'conflict' },
  // Wrong arguments
  {
    match: /^SSH public key validation error/,
    code: 'invalid_arguments',
    hint: 'Correct the SSH keys. A line of them is not a public key.',
  },
  { match: /^(invalid bootorder|no options specified|balloon value too large)/, code: 'invalid_arguments' },
  {
    match: /^(disk|snapshot) '.*' does not exist/,
    code: 'invalid_arguments',
    hint: 'Look at the guest with get_vm for the names that exist.',
  },
  { match: /^unable to use snapshot name/, code: 'invalid_arguments' },
  // Version and cluster
  {
    match: /^(.*format error\n\S+: )?property is not defined in schema and the schema does not allow additional properties/,
    code: 'unsupported_version',
  },
  { match: /^Method '\S+ \S+' not implemented/, code: 'unsupported_version' },
  {
    match: /^cluster not ready - no quorum\?/,
    code: 'proxmox_refused',
    hint: 'Wait until enough nodes are back. The cluster has no quorum, so only reads work.',
  },
  {
    match: /^pve cluster filesystem not online/,
    code: 'proxmox_refused',
    hint: 'Ask the operator to start the service pve-cluster on this node.',
  },
  {
    match: /^hotplug problem - /,
    code: 'proxmox_refused',
    hint: 'Check get_vm for pending changes. Part of the change may be applied.',
  },
  { match: /^(got no worker upid - start worker failed|starting worker failed)/, code: 'proxmox_refused', unknown: true },
];

/** Sentences of Proxmox's parameter check: the value has a wrong type or form. */
export const SCHEMA_FAULT =
  /^(type check|invalid format|value '.*' does not|value (must|may|does)|property is missing|missing property|duplicate parameter|unknown option|you can't use '-)/;

/** The meaning of one of Proxmox's sentences, also of a task's exit status; undefined for an unknown one. */
export function meaningOf(text: string): Refusal | undefined {
  return REFUSALS.find((refusal) => refusal.match.test(text.trim()));
}

/** The VMID that one of Proxmox's sentences calls taken. */
export function takenVmid(text: string): number | undefined {
  const vmid = meaningOf(text)?.match.exec(text.trim())?.groups?.taken;
  return vmid === undefined ? undefined : Number(vmid);
}
