import { present } from '../defined.ts';

/**
 * The effect of an operation on the cluster. Everything else follows from it, once and centrally: MCP annotations, the need for an
 * approval, whether a dry-run exists, the row in the documentation.
 *
 * - `read`    changes nothing
 * - `change`  changes something that can be changed back, and interrupts no user
 * - `disrupt` interrupts a running service (stop, reboot, suspend); needs an approval
 * - `destroy` loses data or safety permanently (delete, power off by force, clearing protection); needs an approval
 * - `control` acts on this server's own approvals and runs, never on the cluster by itself
 */
export type Effect = 'read' | 'change' | 'disrupt' | 'destroy';
export type OperationEffect = Effect | 'control';

export const EFFECTS = ['read', 'change', 'disrupt', 'destroy'] as const satisfies readonly Effect[];

/** The gravest of the effects that are given; `read` without any. */
export function gravest(...effects: (Effect | undefined)[]): Effect {
  return EFFECTS.findLast((effect) => effects.includes(effect)) ?? 'read';
}

/** The parts of a plan that is graver than its operation: its effect with the reasons, nothing where none of them holds. */
export function raisedTo(effect: Effect, ...reasons: (string | false | undefined)[]): { effect?: Effect; raisedBecause?: string } {
  const because = present(...reasons).join('; ');
  return because === '' ? {} : { effect, raisedBecause: because };
}

export function needsApproval(effect: Effect): boolean {
  return effect === 'disrupt' || effect === 'destroy';
}
