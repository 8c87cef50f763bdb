import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Clock } from '../../core/clock.ts';
import type { Store } from '../../store/index.ts';
import type { InFlight } from './steps/in-flight.ts';

/** How long a run stays with a process that shows no sign of life. */
const LEASE_SECONDS = 30;
const RENEW_SECONDS = 5;

interface WorkerId {
  host: string;
  pid: number;
  /** Kernel start time of the process where known: pids are recycled. */
  start: string;
  /** Several engines of one process (tests, replicas in one program) are different workers. */
  engine: string;
}

/** Names this engine, so that another process can check whether it still lives. */
export function thisWorker(): string {
  return JSON.stringify({ host: hostname(), pid: process.pid, start: startOf(process.pid), engine: randomUUID() } satisfies WorkerId);
}

/**
 * Whether the worker of a run or reservation is surely gone: its lease ran out, or it was a process of this host that no longer exists.
 * @param now ISO time
 */
export function isGone(worker: string, leaseUntil: string, now: string): boolean {
  if (leaseUntil <= now) return true;
  const id = JSON.parse(worker) as WorkerId;
  if (id.host !== hostname()) return false;
  try {
    process.kill(id.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const start = startOf(id.pid);
  return start !== '' && id.start !== '' && start !== id.start;
}

/** Field 22 of /proc/PID/stat (Linux); empty elsewhere, where the lease alone decides. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

export function leaseFrom(clock: Clock): string {
  return new Date(clock.now() + LEASE_SECONDS * 1000).toISOString();
}

/** Renews the leases of this worker's runs and reservations, until stopped. Other processes adopt what a fault interrupted. */
export function keepAlive(store: Store, worker: string, clock: Clock, { runs, starting, reservations }: InFlight): () => void {
  const renew = () => {
    const held = { runs: [...runs.keys(), ...starting], reservations: [...reservations] };
    return store.runs.renew(worker, held, leaseFrom(clock));
  };
  const timer = setInterval(() => void renew().catch(() => {}), RENEW_SECONDS * 1000);
  timer.unref();
  return () => clearInterval(timer);
}
