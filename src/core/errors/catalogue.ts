/** The party that must act: the agent (another call), the operator (configuration, rights), Proxmox (its state), the server (a bug). */
export type Who = 'agent' | 'operator' | 'proxmox' | 'server';

interface ErrorKind {
  who: Who;
  /** Exit code of the command line where it is not 1 (failed): 2 usage or configuration, 3 approval required. */
  exit?: 2 | 3;
  /** The meaning, for the documentation. */
  meaning: string;
  /** The next step, shown with every error unless the place that throws knows a better one. */
  hint: string;
}

const by =
  (who: Who) =>
  (kind: Omit<ErrorKind, 'who'>): ErrorKind => ({ who, ...kind });
const [agent, operator, proxmox, server] = [by('agent'), by('operator'), by('proxmox'), by('server')];

/** Every error that this product answers with. docs/errors.md is generated from it. */
export const ERRORS = {
  unknown_operation: agent({ exit: 2, meaning: 'No operation has this name.', hint: 'Run `proxmox-mcp tools` to see all operations.' }),
  invalid_json: agent({
    exit: 2,
    meaning: 'The text given as arguments is not JSON.',
    hint: 'Pass one JSON object, for example --args \'{"vmid": 105}\'.',
  }),
  invalid_arguments: agent({
    exit: 2,
    meaning: 'A parameter is missing, unknown or of the wrong type.',
    hint: 'Correct the named parameters and call again. Nothing was done.',
  }),
  missing_credentials: operator({
    exit: 2,
    meaning: 'The connection to Proxmox is not configured.',
    hint: 'Set the named variables, or add --demo to try the embedded cluster.',
  }),
  invalid_configuration: operator({
    exit: 2,
    meaning: 'A setting has an invalid value.',
    hint: 'Correct the named setting. docs/configuration.md lists all of them.',
  }),
  unreachable: operator({
    meaning: 'No endpoint of the cluster answered, or the node behind it did not.',
    hint: 'Check PROXMOX_HOST and PROXMOX_PORT, the network and the pveproxy service. `proxmox-mcp doctor` tests each step.',
  }),
  certificate_untrusted: operator({
    meaning: 'The certificate of the cluster is not trusted.',
    hint: 'Run `proxmox-mcp trust` and compare the fingerprint with the one shown on the node.',
  }),
  certificate_changed: operator({
    meaning: 'The cluster shows another certificate authority than the one pinned.',
    hint: 'If the change was intended, run `proxmox-mcp trust`. Otherwise treat it as a possible man-in-the-middle attack.',
  }),
  authentication_failed: operator({
    meaning: 'Proxmox refused the API token.',
    hint: 'Check PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET and the expiry of the token.',
  }),
  permission_denied: operator({
    meaning: 'The API token lacks a privilege.',
    hint: 'The operator adds the named privilege to the role that user and token have on the named path, or above it.',
  }),
  guest_not_found: agent({
    meaning: 'No guest with this VMID is visible to the token.',
    hint: 'Call list_vms to see the guests. A guest on which the token lacks VM.Audit is invisible.',
  }),
  conflict: agent({
    meaning: 'The request conflicts with something that exists.',
    hint: 'Choose another name or VMID, or use the existing guest.',
  }),
  locked: proxmox({
    meaning: 'The guest is locked by another task.',
    hint: 'Wait for the task and call again. The operator clears a stale lock on the node.',
  }),
  guest_running: agent({ meaning: 'The guest must be stopped first.', hint: 'Stop it with stop_vm, which needs its own approval.' }),
  guest_protected: operator({
    meaning: 'The guest is protected against removal.',
    hint: 'Ask the operator to clear the protection flag in Proxmox.',
  }),
  guest_state: agent({
    meaning: 'The guest is not in a state that allows this.',
    hint: 'Check the state with get_vm and retry with a valid operation.',
  }),
  ambiguous: agent({ meaning: 'More than one candidate matches.', hint: 'Name one of the listed candidates.' }),
  storage_unavailable: agent({
    meaning: 'The storage is missing, offline, full or does not take this content.',
    hint: 'Choose one of the listed storages, or ask the operator for space.',
  }),
  not_possible: agent({
    meaning: 'Proxmox would refuse this, or it could cut this server off from the API. It was not sent.',
    hint: 'See the message for an alternative.',
  }),
  quota_exceeded: operator({
    meaning: 'The request exceeds a configured limit.',
    hint: 'Tell the user the limit. Only the operator can raise the named variable.',
  }),
  forbidden_by_policy: operator({
    meaning: "The operator's policy forbids this to this caller.",
    hint: 'Tell the user. Only the operator can change the policy.',
  }),
  approval_required: agent({
    exit: 3,
    meaning: 'A human must approve this first.',
    hint: 'Show the plan to the user. After a yes, call approve with the approval_id.',
  }),
  approval_needs_human: operator({
    exit: 3,
    meaning: 'Only a human can decide this approval, in a terminal or in the console.',
    hint: 'The human runs `proxmox-mcp approvals approve ID` in a terminal, or opens the console.',
  }),
  approval_unknown: agent({
    meaning: 'No approval of this caller has this id.',
    hint: 'Call the operation again to get a new approval, or list_approvals.',
  }),
  approval_expired: agent({ meaning: 'The approval expired.', hint: 'Call the operation again if it is still wanted.' }),
  approval_used: agent({
    meaning: 'Approvals are single-use; this one was already used.',
    hint: 'Check its outcome with list_approvals or get_task. Call the operation again for a new approval.',
  }),
  approval_denied: agent({ meaning: 'The human denied the approval.', hint: 'Do not ask again unless the user wants it.' }),
  approval_mismatch: agent({
    meaning: 'The approval is for another request.',
    hint: 'Redeem it with exactly the operation and arguments that it shows.',
  }),
  approval_stale: agent({
    meaning: 'The cluster changed since the approval was requested. Nothing was sent.',
    hint: 'Show the difference to the user and call the operation again for a new approval.',
  }),
  approval_not_confirmed: agent({
    meaning: 'The human did not confirm. The answer was empty, cancelled, late or mistyped.',
    hint: 'Ask the user whether they want it. The approval is still pending.',
  }),
  too_many_pending: agent({ meaning: 'Too many pending approvals.', hint: 'Ask the human to decide the pending ones first.' }),
  task_failed: proxmox({
    meaning: 'Proxmox accepted the request, but its task failed.',
    hint: 'Read the exit status and the log in details.',
  }),
  task_unknown: agent({
    meaning: 'This caller has no task or run with this id.',
    hint: 'Call get_task without an id to list the recent runs.',
  }),
  outcome_unknown: operator({
    meaning: 'The request may have taken effect, or may still do so. It was not repeated, and it is watched.',
    hint: 'Check the guest with get_vm before doing anything else.',
  }),
  interrupted: agent({
    meaning: 'The work ended before this request was sent, or the request did not take effect.',
    hint: 'Nothing was done in this step. It is safe to call again.',
  }),
  out_of_time: agent({
    meaning: 'The call timed out before anything was sent.',
    hint: 'Call again, with a larger wait_seconds where possible. Nothing was done.',
  }),
  unsupported_version: operator({
    meaning: 'This Proxmox version does not know the request or one of its parameters.',
    hint: 'Leave the parameter out or upgrade the node.',
  }),
  proxmox_refused: proxmox({
    meaning: 'Proxmox refused the request. Its own words are in details.',
    hint: "Read Proxmox's message and correct the call.",
  }),
  rate_limited: agent({ meaning: 'Too many calls within a short time.', hint: 'Wait for the named time and call again.' }),
  audit_unavailable: operator({
    meaning: 'The audit trail cannot be read or written. A call does nothing then.',
    hint: 'Check the path in PROXMOX_AUDIT_FILE, its permissions and the free space.',
  }),
  audit_invalid: operator({
    meaning: 'The audit trail is missing, edited or broken.',
    hint: 'Keep the file as it is and find out who changed it.',
  }),
  store_unavailable: operator({
    meaning: 'The database of approvals and runs, or a file beside it such as a key, cannot be used.',
    hint: 'Check PROXMOX_DATA_DIR (or PROXMOX_DATABASE_URL), its permissions and the free space.',
  }),
  internal: server({ meaning: 'A fault of this server.', hint: 'Report it with the log. The audit trail shows what was sent.' }),
} satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;
