import type { ApprovalRecord } from '../core/plan/approval.ts';
import { type ApprovalView, approvalView, type Change, type GuestRef, mustTypeFor, type StepView } from './approval-view.ts';
import type { Fact } from './facts.ts';

/**
 * The text on which a human decides, in a terminal and through a client; the console lays out the same model. The agent's reason comes last,
 * marked as unverified.
 */
export function renderApproval(approval: ApprovalRecord): string {
  const a = approvalView(approval);
  const lines = [
    a.summary,
    `Effect: ${a.effect}${a.raisedBecause === undefined ? '' : ` (${a.raisedBecause})`}`,
    `Undo: ${a.undo}`,
    ...(a.guests.length > 0 ? guestLines(a.guests) : a.guest ? [`Guest: ${guestText(a.guest)}`] : []),
    ...a.warnings.map((warning) => `Warning: ${warning}`),
    ...a.changes.map(changeText),
    ...a.facts.map(factText),
    ...a.choices.map((choice) => `Chosen by default: ${choice}`),
    `Cluster: ${a.cluster}`,
    'Exactly these requests will be sent:',
    ...a.steps.map(stepText),
    ...askedLines(a),
    ...(a.reason === undefined ? [] : [`The agent's reason, unverified: “${a.reason.replace(/[“”]/g, '"')}”`]),
  ];
  return lines.join('\n');
}

/** The same with the text to type for a yes. */
export function renderQuestion(approval: ApprovalRecord): string {
  const { ofCluster } = approvalView(approval);
  const where = ofCluster === undefined ? '' : ` on ${ofCluster}`;
  return `${renderApproval(approval)}\n\nTo approve${where}, type: ${mustTypeFor(approval)}\nAny other answer does nothing.`;
}

/** The lines about the approval itself, not about its plan. */
function askedLines(a: ApprovalView): string[] {
  const { person, from, client } = a.askedBy;
  const claim = client === undefined ? '' : `, which calls itself “${client}”, unverified,`;
  return [
    `Requested by ${person} from ${from}${claim} at ${a.createdAt}; expires ${a.expiresAt}`,
    ...(a.needed > 1 ? [`Owners who must approve: ${a.needed}${a.agreedBy.length > 0 ? `; approved: ${a.agreedBy.join(', ')}` : ''}`] : []),
    `Operation ${a.operation}, approval ${a.id}, plan ${a.digest.slice(0, 16)}`,
  ];
}

function guestText({ name, vmid, kind, node }: GuestRef): string {
  return `${name || '(no name)'}, VMID ${vmid}, ${kind} on node ${node}`;
}

function guestLines(guests: ApprovalView['guests']): string[] {
  return [
    `Guests (${guests.length}):`,
    ...guests.map(({ facts, ...guest }) => `  ${[guestText(guest), ...facts.map(factText)].join('; ')}`),
  ];
}

function factText({ label, values }: Fact): string {
  return `${label}: ${values.join(values.some((value) => value.includes(',')) ? '; ' : ', ')}`;
}

function changeText({ field, before, after }: Change): string {
  return `Change: ${field}: ${before.join(', ') || 'none'} → ${after.join(', ') || 'none'}`;
}

/** `POST /nodes/pve/qemu/105/status/stop (power off web1)` */
function stepText(step: StepView): string {
  if (step.kind !== 'request') return `  then ${step.kind === 'wait' ? 'wait until' : 'check that'} ${step.purpose}`;
  const params = step.params.map(([name, value]) => ` ${name}=${value}`).join('');
  return `  ${step.method} ${step.path}${params}  (${step.purpose})`;
}
