import type { ApprovalView, Live, Problem, SessionView } from '../wire.ts';

export type Connection = 'connecting' | 'live' | 'lost' | 'signed_out';

/** The state of the page. Views read it and are notified when it changes. */
export const state: {
  session: SessionView | undefined;
  connection: Connection;
  /** Undefined until the first event. */
  live: Live | undefined;
  problem: Problem | undefined;
  /** Milliseconds that the server's clock is ahead of ours. */
  skew: number;
} = { session: undefined, connection: 'connecting', live: undefined, problem: undefined, skew: 0 };

const listeners = new Set<() => void>();

export function onChange(listener: () => void): void {
  listeners.add(listener);
}

export function change(next: Partial<typeof state>): void {
  Object.assign(state, next);
  for (const listener of listeners) listener();
}

/** The server's time: an approval expires by it, whatever the clock of this computer says. */
export function now(): number {
  return Date.now() + state.skew;
}

export function find(id: string): ApprovalView | undefined {
  return [...(state.live?.pending ?? []), ...(state.live?.recent ?? [])].find((approval) => approval.id === id);
}
