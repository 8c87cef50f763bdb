import type { RunRecord } from '../../../core/plan/run.ts';
import type { Ports, Watcher } from '../../ports.ts';
import { lookAgain } from './late.ts';

/** How long a process keeps looking for a request whose outcome is unknown. After that it looks whenever a call is about the guest. */
const WATCH_SECONDS = 15 * 60;
/** Seconds between two looks; the last one continues. */
const PAUSES = [5, 10, 20, 30, 60];

/**
 * Watches runs whose outcome is unknown, in the background. Several processes may watch the same run: they only read, and one of those that see the
 * outcome records it.
 */
export class Watch implements Watcher {
  private readonly watched = new Map<string, Promise<void>>();
  private readonly looks = new Map<string, Promise<RunRecord>>();
  private readonly closing = new AbortController();

  async takeUp(ports: Ports): Promise<void> {
    const store = await ports.store();
    for (const run of await store.runs.unknown(ports.cluster.name)) this.begin(run, ports);
  }

  begin(run: RunRecord, ports: Ports): void {
    const until = Date.parse(run.endedAt ?? run.startedAt) + WATCH_SECONDS * 1000;
    if (this.watched.has(run.id) || this.closing.signal.aborted || until <= ports.clock.now()) return;
    this.watched.set(
      run.id,
      this.follow(run, until, ports)
        .catch((err) => {
          if (!this.closing.signal.aborted) ports.log.warn({ err, run: run.id }, 'a run of unknown outcome cannot be watched');
        })
        .finally(() => this.watched.delete(run.id)),
    );
  }

  /** Of several calls at the same moment, one asks Proxmox. */
  look(run: RunRecord, ports: Ports): Promise<RunRecord> {
    // A look that began before the run ended would still call it unknown.
    if (run.status !== 'unknown') return Promise.resolve(run);
    const under = this.looks.get(run.id);
    if (under) return under;
    const look = lookAgain(run, ports).finally(() => this.looks.delete(run.id));
    this.looks.set(run.id, look);
    return look;
  }

  async close(): Promise<void> {
    this.closing.abort(new Error('the server shuts down'));
    await Promise.all(this.watched.values());
  }

  private async follow(run: RunRecord, until: number, ports: Ports): Promise<void> {
    const { clock, log } = ports;
    let now = run;
    for (let look = 0; now.status === 'unknown' && clock.now() < until; look++) {
      await clock.sleep((PAUSES[look] ?? PAUSES.at(-1) ?? 60) * 1000, this.closing.signal);
      now = await this.lookNow(run.id, ports).catch((err) => {
        log.warn({ err, run: run.id }, 'a run of unknown outcome could not be checked');
        return now;
      });
    }
  }

  /** From its row: another process may have ended it meanwhile. */
  private async lookNow(id: string, ports: Ports): Promise<RunRecord> {
    const run = await (await ports.store()).runs.get(id);
    if (!run) throw new Error('the run is not in the store');
    return this.look(run, ports);
  }
}
