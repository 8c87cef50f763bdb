/** One injected fault. `match.path` is a regular expression on the path below /api2/json; without `times` it stays. */
export interface Fault {
  match?: { method?: string; path?: string };
  /** How often it strikes. Default: always. */
  times?: number;
  action:
    | 'status'
    | 'reset'
    | 'reset-after'
    | 'hold'
    | 'hold-before'
    | 'delay'
    | 'late'
    | 'fail-task'
    | 'slow-task'
    | '596-after'
    | 'node-down'
    | 'quick-restart'
    | 'silent-status-daemon';
  /** For `status`: 595 means that the request was not dispatched. */
  status?: number;
  reason?: string;
  body?: string;
  /** For `delay` and `slow-task`: real milliseconds. For `silent-status-daemon`: for how long it has been silent. Default: long enough. */
  ms?: number;
  /** For `fail-task`. */
  exitstatus?: string;
  /** For `node-down`: which node. Default: the one named in the path. For `silent-status-daemon`: which node. Default: every one. */
  node?: string;
}

export interface RecordedRequest {
  method: string;
  path: string;
  params: Record<string, string | string[]>;
  token: string | undefined;
  /** Anything but GET. */
  mutating: boolean;
  /** Epoch ms. */
  at: number;
}

export interface FaultControl {
  /** Adds faults; the first one that matches a request strikes. */
  add(...faults: Fault[]): void;
  /** Forgets all faults and lets go what is held. */
  clear(): void;
  /** Lets go everything that is held now; later requests are held again while the fault lasts. */
  release(): void;
  /** How many requests are held at this moment. */
  held(): number;
  /** Resolves once that many requests are held. */
  untilHeld(count?: number): Promise<void>;
  /** Every API request so far, in order. */
  requests(): RecordedRequest[];
  /** Sets (or, without a name, takes away) a guest's configuration lock, as an operator can in the node's shell and no token may. */
  lock(vmid: number, name?: string): void;
}

export interface FaultDesk extends FaultControl {
  /** The fault that strikes a request, its use counted. */
  strike(method: string, path: string): Fault | undefined;

  hold(): Promise<void>;
  record(request: RecordedRequest): void;
}

/** Faults of the cluster, not of one request. */
const CONDITIONS = new Set<Fault['action']>(['quick-restart', 'silent-status-daemon']);

export function createFaults(): FaultDesk {
  let faults: { fault: Fault; left: number; path: RegExp | undefined }[] = [];
  let holders: (() => void)[] = [];
  let watchers: { count: number; done: () => void }[] = [];
  const log: RecordedRequest[] = [];

  const desk: FaultDesk = {
    add(...added) {
      for (const fault of added) {
        faults.push({
          fault,
          left: fault.times ?? Number.POSITIVE_INFINITY,
          path: fault.match?.path === undefined ? undefined : new RegExp(fault.match.path),
        });
      }
    },
    clear() {
      faults = [];
      desk.release();
    },
    release() {
      const going = holders;
      holders = [];
      for (const go of going) go();
    },
    held: () => holders.length,
    untilHeld: (count = 1) =>
      new Promise((resolve) => {
        if (holders.length >= count) resolve();
        else watchers.push({ count, done: resolve });
      }),
    requests: () => [...log],
    strike(method, path) {
      const entry = faults.find(
        ({ fault, left, path: pattern }) =>
          left > 0 &&
          !CONDITIONS.has(fault.action) &&
          (fault.match?.method === undefined || fault.match.method === method) &&
          (pattern === undefined || pattern.test(path)) &&
          (fault.action !== 'node-down' ||
            fault.node === undefined ||
            path.startsWith(`/nodes/${fault.node}/`) ||
            path === `/nodes/${fault.node}`),
      );
      if (!entry) return undefined;
      entry.left -= 1;
      return entry.fault;
    },
    hold: () =>
      new Promise((resolve) => {
        holders.push(resolve);
        const reached = watchers.filter(({ count }) => holders.length >= count);
        watchers = watchers.filter(({ count }) => holders.length < count);
        for (const watcher of reached) watcher.done();
      }),
    lock: () => {},
    record: (request) => void log.push(request),
  };
  return desk;
}
