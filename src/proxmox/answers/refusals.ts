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
 * Proxmox's refusals by their text, because its status codes say little. The first match counts, and an unknown sentence is
 * `proxmox_refused`. The same sentences appear as the exit status of tasks, sometimes behind "unable to create VM 105 - ".
 * Texts recorded from Proxmox VE 9.2 (pve-manager 9.2.11, qemu-server 9.2.6) or read in its sources.
 */
const REFUSALS: readonly Refusal[] = [
  ...refusals('permission_denied', [/^(.* - |.*: )?403 Permission check failed/]),
  ...refusals('guest_not_found', [
    /^Configuration file 'nodes\/[^/]+\/(qemu-server|lxc)\/\d+\.conf' does not exist/,
    /^unable to find configuration file for (VM|CT) \d+ on node /,
  ]),
  ...refusals('task_unknown', [/^(no such task|unable to parse worker upid)/]),
  ...refusals('conflict', [
    /^(unable to (create|restore) (VM|CT) \d+ - )?(VM|CT) (?<taken>\d+) already exists( on node .*)?$/,
    /^unable to create (VM|CT) (?<taken>\d+): config file already exists/,
    /^(.* - )?close \(rename\) atomic file '.*\/(?<taken>\d+)\.conf' failed: File exists/,
    {
      match: /^unable to get any free VMID in range/,
      hint: 'Ask the operator to widen the VMID range (datacenter option next-id). Every VMID of it is taken.',
    },
    {
      match: /^update pools failed: VM \d+ is (already|not) a pool member/,
      hint: 'Call again. Another client changed the pool meanwhile.',
    },
    { match: /^snapshot name '.*' already used/, hint: 'Choose another snapshot name.' },
    { match: /^base volume '.*' is still in use by linked clone/, hint: 'Delete its linked clones first, or convert them to full clones.' },
    {
      match: /^(checksum miss?match \(file change by other user\?\)|detected modified configuration)/,
      hint: 'Call again. Another client changed the configuration at the same time, and nothing was written.',
    },
    { match: /^\S+ - cloud-init drive is already attached/, hint: 'Use the cloud-init drive that the guest has already.' },
  ]),
  ...refusals('locked', [
    // `qm unlock` would throw the saved memory away.
    { match: /^VM is locked \(suspended\)/, hint: 'Wake the hibernated guest with start_vm, then call again.' },
    { match: /^CT is locked \(mounted\)/, hint: 'Ask the operator to unmount its disks on the node: `pct unmount VMID`.' },
    {
      match: /^(VM|CT) is locked \(\S+\)/,
      hint: 'Wait for the task that holds the lock. If none runs, the operator clears it on the node: `qm unlock VMID` or `pct unlock VMID`.',
    },
    { match: /^can't lock file '[^']*\/(qemu-server|lxc)\/[^']*' - got timeout/, retry: true },
    /^(can't lock file '|cfs-lock '|.*got lock request timeout|Failed to obtain guest migration lock)/,
  ]),
  ...refusals('guest_running', [
    /^((unable to restore VM \d+ - )?vm is running|VM \d+ is running - destroy failed|.*container is running|can't overwrite running container)/,
    /^you can't convert a (VM|CT) to template if (VM|the CT) is running/,
    /^Full clone of a running container is only possible/,
  ]),
  ...refusals('guest_protected', [/protection mode enabled/]),
  ...refusals('guest_state', [
    { match: /^(VM|CT) \d+ already running/, already: 'running', hint: 'Nothing needs to be done. The guest runs already.' },
    { match: /^(VM|CT) \d+ (is )?not running/, already: 'stopped', hint: 'Start the guest first with start_vm.' },
    { match: /^VM is paused - cannot shutdown/, hint: 'Resume it first, or stop it by force.' },
    {
      match: /^VM quit\/powerdown failed - got timeout/,
      hint: 'Wait longer, or call stop_vm with force. The guest did not react and still runs.',
    },
    { match: /^you can't (start a (vm|CT) if it's a|convert a template to a) template/, hint: 'Clone the template first.' },
    { match: /^unexpected state change/, hint: 'Check the guest and call again. It was started or stopped at the same time.' },
    { match: /^No QEMU guest agent configured/, hint: 'Enable the agent option of the VM, then stop and start it.' },
    { match: /^QEMU guest agent is not running/, hint: 'Wait until the guest has booted, or install qemu-guest-agent in it.' },
    {
      match: /^VM \d+ qga command '.*' failed - got timeout/,
      hint: 'Call again later. The guest agent did not answer in time.',
      unknown: true,
    },
  ]),
  ...refusals('storage_unavailable', [
    /^storage '.*' (does not exist|is disabled|is not online|is not available on node|does not support)/,
    /^No such storage/,
    /(can't use storage '.*' for|not enough free space|no space left|[Nn]o space left on device)/,
    {
      match: /^(unable to create (VM|CT) \d+ - )?(volume '.*' does not exist|failed to stat '|volume_size_info on '.*' failed)/,
      hint: 'Choose one of the listed volumes. This one does not exist on the node.',
    },
  ]),
  ...refusals('not_possible', [
    { match: /^Agent error: (The c|C)ommand .* has been disabled/, hint: "The guest's own policy forbids this agent command." },
    {
      match:
        /^(only root can set '|Only root may use this option|Only root can pass|.*only allowed for root@pam|Permission check failed \(user != root@pam\))/i,
      hint: 'Ask the operator to do it on the node. Only root@pam with a password may do this, never an API token.',
    },
    { match: /^shrinking disks is not supported|^unable to shrink disk/, hint: 'Ask for a larger size. Disks only grow.' },
    { match: /^you can't resize a cdrom/, hint: 'Name a disk, not a CD drive.' },
    { match: /^parameter 'storage' not allowed for linked clones/, hint: 'Make a full clone, or leave the storage out.' },
    { match: /^Linked clone feature (is not supported|for '.*' is not available)/, hint: 'Make a full clone.' },
    { match: /^can't clone ((VM|CT) )?to (node|non-shared storage) /, hint: 'Clone on the same node, then migrate.' },
    { match: /^snapshot feature is not available/, hint: 'Move the disks to a storage that supports snapshots.' },
    { match: /^can't rollback, '.*' is not most recent snapshot/, hint: 'Delete the newer snapshots first.' },
    {
      match: /^(unable to remove (VM|CT) \d+ - used in HA resources|There is a replication job )/,
      hint: 'Delete with purge, which also removes it from HA, replication and backup jobs.',
    },
    /^can't migrate (running (VM|container) without --online|.*uses local devices)/,
    { match: /^target is local node/, hint: 'Choose another node. The guest is on this one already.' },
    /^you can't move (to the same storage|a disk with snapshots)/,
    { match: /^Permission check failed \(pool '.*' does not exist\)|^pool '.*' does not exist/, hint: 'Choose an existing pool.' },
    /^URI '.*' not available with API token|^Permission check failed \(URI '.*' not available with API token/,
    {
      match: /^(hostname lookup '.*' failed|no such cluster node ')/,
      hint: 'Choose an existing node. No node of the cluster has this name.',
    },
  ]),
  // After what such a sentence may quote: a lock, a full disk.
  ...refusals('conflict', [/^(update pools failed: |delete pool failed: |create pool failed: )/]),
  ...refusals('invalid_arguments', [
    { match: /^SSH public key validation error/, hint: 'Correct the SSH keys. A line of them is not a public key.' },
    /^(invalid bootorder|no options specified|balloon value too large)/,
    { match: /^(disk|snapshot) '.*' does not exist/, hint: 'Look at the guest with get_vm for the names that exist.' },
    /^unable to use snapshot name/,
  ]),
  ...refusals('unsupported_version', [
    /^(.*format error\n\S+: )?property is not defined in schema and the schema does not allow additional properties/,
    /^Method '\S+ \S+' not implemented/,
  ]),
  ...refusals('proxmox_refused', [
    { match: /^cluster not ready - no quorum\?/, hint: 'Wait until enough nodes are back. The cluster has no quorum, so only reads work.' },
    { match: /^pve cluster filesystem not online/, hint: 'Ask the operator to start the service pve-cluster on this node.' },
    { match: /^hotplug problem - /, hint: 'Check get_vm for pending changes. Part of the change may be applied.' },
    { match: /^(got (no|strange) worker upid|starting worker failed)/, unknown: true },
  ]),
];

function refusals(code: ErrorCode, sentences: readonly (RegExp | Omit<Refusal, 'code'>)[]): Refusal[] {
  return sentences.map((one) => ({ ...(one instanceof RegExp ? { match: one } : one), code }));
}

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
