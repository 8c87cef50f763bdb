import type { ApprovalRecord } from '../../core/plan/approval.ts';
import type { SpanStart } from '../../core/trace.ts';

/** The span of a call that waits for a human. */
export function approvalWait({ id, method, effect }: ApprovalRecord): SpanStart {
  const attributes = { 'proxmox.approval': id, 'proxmox.approval.method': method, 'proxmox.effect': effect };
  return { name: 'approval wait', kind: 'internal', attributes };
}
