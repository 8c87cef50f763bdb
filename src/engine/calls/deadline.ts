import { fail } from '../../core/errors/errors.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { type Result, runningResult } from '../../core/result.ts';
import type { ServerPorts } from '../ports.ts';

/** Milliseconds within which a call begins its work, even when it does not wait for the outcome. */
const LEAST_MS = 10_000;
/** Milliseconds for the look-ups of a call whose time is over. */
const GRACE_MS = 1_000;

/**
 * One deadline for a whole call, from its entry: planning, the store, other calls and the run's outcome all count. A call that is answered
 * before its run began sends nothing afterwards.
 */
export class Deadline {
  /** Epoch milliseconds until which the outcome is waited for. */
  readonly at: number;
  private readonly ports: ServerPorts;
  private readonly began: number;
  private stop: AbortController | undefined;
  private reason = 'the store';
  private fallback: (() => Result) | undefined;

  /** @param began epoch milliseconds of the call's entry; without `wait` the setting counts, `'end'` has no deadline */
  constructor(wait: number | 'end' | undefined, began: number, ports: ServerPorts) {
    const seconds = wait ?? ports.settings.waitSeconds;
    this.at = seconds === 'end' ? Number.POSITIVE_INFINITY : began + seconds * 1000;
    this.began = began;
    this.ports = ports;
  }

  /** Aborted once the call was answered with nothing begun. Most calls are reads, which need none. */
  private get over(): AbortController {
    this.stop ??= new AbortController();
    return this.stop;
  }

  /** The thing waited for from now on, as a caller reads it after "while waiting for". */
  waitsFor(reason: string): void {
    this.reason = reason;
  }

  /** The caller's signal, aborted also once the call was answered with nothing begun. */
  cancelling({ signal }: { signal?: AbortSignal }): { signal?: AbortSignal } {
    if (this.at === Number.POSITIVE_INFINITY) return signal ? { signal } : {};
    return { signal: signal ? AbortSignal.any([signal, this.over.signal]) : this.over.signal };
  }

  /** The remaining time to wait, as `waitFor` takes it. */
  get wait(): number | 'end' {
    return this.at === Number.POSITIVE_INFINITY ? 'end' : Math.max(0, this.at - this.ports.clock.now()) / 1000;
  }

  /** Since the call's entry. */
  get elapsedMs(): number {
    return this.ports.clock.now() - this.began;
  }

  /** From here on the run is the answer of a call that is late. @throws out_of_time when the call was answered already */
  begin(run: RunRecord): void {
    if (this.over.signal.aborted) this.fail();
    const { known } = this.ports.inFlight;
    this.fallback = () => runningResult({ ...run, steps: known.get(run.id)?.steps ?? run.steps });
  }

  /** The answer of a late call instead of an error, as long as nothing was begun. */
  otherwise(answer: () => Result): void {
    this.fallback = answer;
  }

  fail(): never {
    const seconds = Math.round(this.elapsedMs / 1000);
    fail('out_of_time', `Timed out after ${seconds} s while waiting for ${this.reason}. Nothing was sent.`, {
      details: { waited_seconds: seconds, waited_for: this.reason },
    });
  }

  /** The result of the work, or the answer of a late call. Work that has begun continues. */
  async race(work: () => Promise<Result>): Promise<Result> {
    if (this.at === Number.POSITIVE_INFINITY) return work();
    const { clock } = this.ports;
    const stop = new AbortController();
    const last = Math.max(this.at, this.began + LEAST_MS) + GRACE_MS;
    const late = clock.sleep(Math.max(0, last - clock.now()), stop.signal).then(
      () => {
        if (this.fallback) return this.fallback();
        this.over.abort();
        return this.fail();
      },
      // The work was faster.
      () => new Promise<never>(() => {}),
    );
    late.catch(() => {});
    const working = work();
    working.catch(() => {});
    try {
      return await Promise.race([working, late]);
    } finally {
      stop.abort();
    }
  }
}
