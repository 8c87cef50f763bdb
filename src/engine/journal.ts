import type { RunRecord, StepRecord } from '../core/run.ts';
import type { Store } from '../store/index.ts';
import type { Ports } from './ports.ts';
import { leaseFrom } from './worker.ts';

/** Another process adopted the run: this one must not touch it any more. */
export class LostRun extends Error {}

/** The steps of one run in memory and in the store; whatever is written here is on disk before anything goes on. */
export class Journal {
  steps: StepRecord[];
  readonly run: RunRecord;
  private readonly store: Store;
  private readonly ports: Ports;
  constructor(run: RunRecord, store: Store, ports: Ports) {
    this.run = run;
    this.store = store;
    this.ports = ports;
    this.steps = run.steps.map((s) => ({ ...s }));
  }
  find(id: string): StepRecord | undefined {
    return this.steps.find((s) => s.id === id);
  }
  async write(record: StepRecord): Promise<void> {
    this.steps = [...this.steps.filter((s) => s.id !== record.id), record];
    if (!(await this.store.runs.journal(this.run.id, this.ports.worker, this.steps, leaseFrom(this.ports.clock)))) throw new LostRun();
  }
  mark(id: string, state: 'failed' | 'unknown'): StepRecord[] {
    this.steps = this.steps.map((s) => (s.id === id && s.state !== 'done' ? { ...s, state } : s));
    return this.steps;
  }
}
