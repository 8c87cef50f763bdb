import { systemClock } from '../core/clock.ts';
import { asError } from '../core/errors/errors.ts';
import type { Result } from '../core/result.ts';
import type { Engine } from '../engine/types.ts';
import { nameOfOperation } from '../operations/find.ts';
import { operations } from '../operations/index.ts';
import type { Metrics } from './metrics.ts';

/** The names of the operations that only read. */
const READS = new Set(operations.flatMap(({ name, effect }) => (effect === 'read' ? [name] : [])));

/** The engine, with every call counted and timed. `idle` resolves when none is in progress, `letGo` ends the waits of those that are. */
export function counted(engine: Engine, metrics: Metrics): { engine: Engine; idle: () => Promise<void>; letGo: () => void } {
  const waiting = new Set<Wait>();
  let calls = 0;
  let whenIdle: () => void = () => {};
  return {
    idle: () => (calls === 0 ? Promise.resolve() : new Promise((resolve) => (whenIdle = resolve))),
    letGo: () => {
      for (const wait of waiting) wait.abort();
    },
    engine: {
      ...engine,
      async perform(name, args, caller, options = {}) {
        // A label for every invented name would fill the memory.
        const operation = nameOfOperation(name) ?? 'unknown';
        const began = systemClock.now();
        let outcome = 'internal';
        // A read of one cluster waits for Proxmox alone, and making a signal takes as long as some reads.
        const wait = READS.has(operation) && engine.clusters.length === 0 ? undefined : waitOf(options.signal);
        if (wait) waiting.add(wait);
        calls += 1;
        try {
          const result: Result = await engine.perform(name, args, caller, wait ? { ...options, signal: wait.signal } : options);
          outcome = result.kind;
          return result;
        } catch (error) {
          outcome = asError(error).code;
          throw error;
        } finally {
          if (wait) {
            wait.end();
            waiting.delete(wait);
          }
          calls -= 1;
          if (calls === 0) whenIdle();
          metrics.count('proxmox_mcp_calls_total', { operation, outcome });
          metrics.observe('proxmox_mcp_call_seconds', (systemClock.now() - began) / 1000, { operation });
        }
      },
    },
  };
}

interface Wait {
  signal: AbortSignal;
  abort(): void;
  /** The call is over. */
  end(): void;
}

/** The wait of one call, which ends with the caller's signal too. */
function waitOf(signal: AbortSignal | undefined): Wait {
  const own = new AbortController();
  const abort = () => own.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  return { signal: own.signal, abort, end: () => signal?.removeEventListener('abort', abort) };
}
