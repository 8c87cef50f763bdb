import { raisedTo } from '../../../core/plan/effect.ts';
import type { PlanDraft } from '../../../core/plan/plan.ts';
import type { GuestAt, PendingChange } from '../../../proxmox/guest/guests.ts';
import { pendingText, type Target } from './target.ts';
import { withSize } from './volumes.ts';

/** Volumes that go with pending changes. */
interface Doomed {
  /** Of all of them, for a human; empty where none goes. */
  names: string;
  /** Each with its size, by slot. */
  bySlot: Record<string, string>;
}

/**
 * The volumes freed when pending changes are applied. Proxmox applies them at a stop and at a start (recorded from 9.2: after the stop none is
 * left), and with any change of the configuration of a stopped guest.
 */
export function doomedBy(pending: readonly PendingChange[]): Doomed {
  const bySlot = Object.fromEntries(pending.flatMap((p) => (p.destroys ? [[p.key, withSize(p.destroys)] as const] : [])));
  return { names: Object.values(bySlot).join(', '), bySlot };
}

/**
 * A plan that names these volumes wherever a human reads it, and counts as destroying for them.
 * @param at where the guest is afterwards
 * @param event applies the pending changes: "the start"
 */
export function destroying(plan: PlanDraft, { names, bySlot }: Doomed, at: GuestAt, event: string): PlanDraft {
  if (names === '') return plan;
  const each = <T>(value: T) => Object.fromEntries(Object.keys(bySlot).map((slot) => [slot, value]));
  return {
    ...plan,
    summary: `${plan.summary}, which destroys ${names}`,
    ...raisedTo('destroy', `${event} applies a pending removal by force, which destroys ${names}`, plan.raisedBecause),
    // Names the disks of the decision, so that the removal of another one makes an approval stale.
    expected: [...plan.expected, { kind: 'config', ...at, has: each(null) }],
    before: { ...plan.before, ...bySlot },
    after: { ...plan.after, ...each('destroyed') },
    undo: `${plan.undo}; ${names} cannot be restored`,
  };
}

/**
 * The pending changes that a change of the configuration applies too: all others, where the guest is stopped.
 * @param keys those of the change itself
 */
export function appliedToo({ guest, running }: Target, keys: readonly string[]): Doomed & { warning: string | false } {
  const others = running ? [] : guest.pending.filter(({ key }) => !keys.includes(key));
  const warning = others.length > 0 && `the guest is stopped, so its other pending changes are applied too: ${pendingText(others)}`;
  return { ...doomedBy(others), warning };
}
