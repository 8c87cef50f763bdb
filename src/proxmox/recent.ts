import type { Clock } from '../core/clock.ts';

/** Milliseconds for which the cluster's list may show a guest as it was before a change: its next round, and some slack. */
const STALE_MS = 15_000;

export interface RecentChanges {
  note: (vmid: number) => void;
  has: (vmid: number) => boolean;
}

/** The guests to which a change of ours went, or whose task ended, so lately that the cluster's list may not show it yet. */
export function recentChanges(clock: Pick<Clock, 'now'>): RecentChanges {
  const at = new Map<number, number>();
  const isOld = (time: number) => clock.now() - time > STALE_MS;
  return {
    note(vmid) {
      for (const [other, time] of at) if (isOld(time)) at.delete(other);
      at.set(vmid, clock.now());
    },
    has(vmid) {
      const time = at.get(vmid);
      return time !== undefined && !isOld(time);
    },
  };
}
