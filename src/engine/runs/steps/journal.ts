import { begunAt, type RunRecord, type StepRecord } from '../../../core/plan/run.ts';
import type { Store } from '../../../store/index.ts';
import type { Ports } from '../../ports.ts';
import { leaseFrom } from '../worker.ts';

/** Tolerance between the clocks of two nodes where an older fact does no harm. */
const CLOCK_SLACK_SECONDS = 5;

/** Another process adopted the run: this one must no longer touch it. */
export class LostRun extends Error {}

/** The journal could not be written. This fault of the server says nothing about the step: the run stays `executing`. */
export class Unwritten extends Error {}

/** The steps of one run in memory and in the store; whatever is written here is on disk before anything continues. */
export class Journal {
  steps: StepRecord[];
  readonly run: RunRecord;
  private readonly store: Store;
  private readonly ports: Ports;
  private writing: Promise<void> = Promise.resolve();
  constructor(run: RunRecord, store: Store, ports: Ports) {
    this.run = run;
    this.store = store;
    this.ports = ports;
    this.steps = run.steps.map((s) => ({ ...s }));
  }
  /** Epoch seconds at which the run began. Conditions of the run are not older. */
  get since(): number {
    return Math.floor(begunAt({ steps: this.steps, startedAt: this.run.startedAt }) / 1000) - CLOCK_SLACK_SECONDS;
  }
  find(id: string): StepRecord | undefined {
    return this.steps.find((s) => s.id === id);
  }
  /** Steps of several guests write at once: each row that reaches the store holds all of them, the newest last. */
  write(record: StepRecord): Promise<void> {
    const put = () => this.put(record);
    this.writing = this.writing.then(put, put);
    return this.writing;
  }
  private async put(record: StepRecord): Promise<void> {
    const before = this.find(record.id);
    this.set(record);
    const owned = await this.store.runs
      .journal(this.run.id, this.ports.worker, this.steps, leaseFrom(this.ports.clock))
      .catch((cause: unknown) => {
        // Nothing leaves before its intent is on disk. Any later state is kept in memory though it is not on disk.
        if (record.state === 'intent') {
          if (before) this.set(before);
          else this.steps = this.steps.filter((s) => s.id !== record.id);
        }
        throw new Unwritten('the journal cannot be written', { cause });
      })
      .finally(() => {
        this.ports.inFlight.know(this.run.id).steps = this.steps;
      });
    if (!owned) throw new LostRun();
  }
  private set(record: StepRecord): void {
    const isNew = this.find(record.id) === undefined;
    this.steps = isNew ? [...this.steps, record] : this.steps.map((s) => (s.id === record.id ? record : s));
  }
  mark(id: string, state: 'failed' | 'unknown'): void {
    this.steps = this.steps.map((s) => (s.id === id && s.state !== 'done' ? { ...s, state } : s));
  }
}
