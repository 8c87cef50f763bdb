import type { ProxmoxMcpError } from '../../../core/errors/errors.ts';
import type { RunRecord, RunStatus, StepRecord } from '../../../core/plan/run.ts';

/** How applying a run ended. */
export interface Ending {
  status: Exclude<RunStatus, 'executing'>;
  steps: StepRecord[];
  error?: ProxmoxMcpError;
  /** The error has the outcome of each guest of a plan for several, with a hint for each. */
  each?: true;
}

/** This process's state of a run that has not ended in the store: newer than its row while the store cannot be written. */
interface Known {
  steps: StepRecord[];
  ending?: Ending;
  /** The audit has the line of its outcome. */
  told?: true;
}

/**
 * The runs on which this process works. It renews the leases of these alone: a row of this process that is not here was left by a fault of the
 * store or the audit, and is adopted like that of a process that is gone.
 */
export class InFlight {
  /** Runs in flight, so that callers can wait for them. One resolves as `executing` when its end could not be written. */
  readonly runs = new Map<string, Promise<RunRecord>>();
  /** Runs that are being stored. */
  readonly starting = new Set<string>();
  readonly known = new Map<string, Known>();
  /** Runs whose end could not be written. */
  readonly left = new Set<string>();
  /** Reservations of calls that have no run yet. */
  readonly reservations = new Set<string>();
  /** Reservations that could not be given back. */
  readonly unreleased = new Set<string>();
  private readonly onDebt: () => void;

  /** @param onDebt called whenever something is left to repair later */
  constructor(onDebt: () => void = () => {}) {
    this.onDebt = onDebt;
  }

  track(id: string, ended: Promise<RunRecord>): void {
    this.runs.set(id, ended);
    const over = () => {
      this.runs.delete(id);
      this.checkLeft(id);
    };
    void ended.then(over, over);
  }

  has(id: string): boolean {
    return this.runs.has(id) || this.starting.has(id);
  }

  /** Notes a run that has stopped and whose end the store does not have. */
  checkLeft(id: string): void {
    if (this.has(id)) return;
    if (!this.known.has(id)) this.left.delete(id);
    else {
      this.left.add(id);
      this.onDebt();
    }
  }

  know(id: string): Known {
    const known = this.known.get(id) ?? { steps: [] };
    this.known.set(id, known);
    return known;
  }

  /** The reservation is no longer needed; the store must be told later. */
  owesRelease(id: string): void {
    this.reservations.delete(id);
    this.unreleased.add(id);
    this.onDebt();
  }

  /** Whether something is left to repair. */
  get owes(): boolean {
    return this.left.size + this.unreleased.size > 0;
  }
}
