/**
 * How an exchange can go wrong.
 *
 * - `connect`  no connection, or its certificate was refused by TLS: provably nothing left
 * - `no-route` 595: the answering node could not reach the target node, nothing was dispatched
 * - `cut`      the connection broke after it was made, on a reused socket too: what arrived is unknown
 * - `timeout`  no answer in time: unknown as well
 * - `lost`     596–599, or a proxy in between gave up: unknown as well
 * - `lock`     a synchronous lock timeout: provably nothing was done
 */
export type Failure = 'connect' | 'no-route' | 'cut' | 'timeout' | 'lost' | 'lock';

interface RetryRule {
  /** Milliseconds before each further attempt; their number is the budget. */
  delays: readonly number[];
  /** The next endpoint is tried instead of the same one. */
  elsewhere: boolean;
}

/** The whole retry policy. An unlisted failure is never retried. */
export const RETRY: { read: Partial<Record<Failure, RetryRule>>; mutation: Partial<Record<Failure, RetryRule>> } = {
  read: {
    connect: { delays: [250, 1000], elsewhere: true },
    'no-route': { delays: [250, 1000], elsewhere: true },
    cut: { delays: [0, 250, 1000], elsewhere: true },
  },
  mutation: {
    connect: { delays: [250, 1000], elsewhere: true },
    lock: { delays: [5000, 10_000], elsewhere: false },
  },
};

/** Failures after which it is unknown whether a mutating request took effect. */
export const UNKNOWN: readonly Failure[] = ['cut', 'timeout', 'lost'];

/** Attempts that one request may make in all, with every kind of failure together; each endpoint gets its chance. */
export function budget(endpoints: number): number {
  return Math.max(4, endpoints + 1);
}
