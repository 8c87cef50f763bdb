import type { Condition } from '../../../core/plan/plan.ts';
import type { GuestAt, PendingChange } from '../../../proxmox/guest/guests.ts';
import { pendingText, type Target } from './target.ts';
import { withSize } from './volumes.ts';

/** Volumes that go with pending changes, in the parts of a plan; all are empty where none goes. */
interface Doomed {
  /** Of all of them, for a human. */
  names: string;
  /** Ends the summary: ", which destroys local-lvm:vm-105-disk-1 (8 GiB)". */
  destroying: string;
  /** The reason for an approval; empty: none. @param event applies the pending changes: "the start" */
  because(event: string): string;
  /** By slot, before and after. */
  view: Record<string, string>;
  destroyed: Record<string, string>;
  /** Names the disks of the decision, so that the removal of another one makes an approval stale. */
  gone(at: GuestAt): Condition[];
}

/**
 * The volumes freed when pending changes are applied. Proxmox applies them at a stop and at a start (recorded from 9.2: after the stop none is
 * left), and with any change of the configuration of a stopped guest.
 */
export function doomedBy(pending: readonly PendingChange[]): Doomed {
  const disks = pending.flatMap((p) => (p.destroys ? [[p.key, withSize(p.destroys)] as const] : []));
  const isNone = disks.length === 0;
  const bySlot = <T>(value: T) => Object.fromEntries(disks.map(([slot]) => [slot, value]));
  const names = disks.map(([, text]) => text).join(', ');
  const destroying = isNone ? '' : `, which destroys ${names}`;
  return {
    names,
    destroying,
    because: (event) => (isNone ? '' : `${event} applies a pending removal by force${destroying}`),
    view: Object.fromEntries(disks),
    destroyed: bySlot('destroyed'),
    gone: (at) => (isNone ? [] : [{ kind: 'config', ...at, has: bySlot(null) }]),
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
