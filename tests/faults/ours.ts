import type { Audit } from '../../src/audit/writer.ts';
import { ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import type { Store } from '../../src/store/index.ts';
import { fastClock } from './pace.ts';

/** Faults of our own store and audit: they begin once the first request of the change has left, or with the n-th write. */
export interface OurFault {
  name: string;
  /** What refuses to work. */
  part: 'store' | 'audit';
  /** Begins when the first change passes the proxy, or when the first task is polled. */
  from: 'mutation' | 'poll';
  /** Seconds until it works again. */
  seconds: number;
}

export const OUR_FAULTS: OurFault[] = (['store', 'audit'] as const).flatMap((part) =>
  (['mutation', 'poll'] as const).flatMap((from) =>
    [2, 30, 120].map((seconds): OurFault => ({ name: `${part}-away-${seconds}s-from-${from}`, part, from, seconds })),
  ),
);

/** Until when each part is out of order, by the fast clock. */
export class Disorder {
  private readonly until = { store: 0, audit: 0 };
  begin({ part, seconds }: OurFault): void {
    if (this.until[part] === 0) this.until[part] = fastClock.now() + seconds * 1000;
  }
  is(part: 'store' | 'audit'): boolean {
    return fastClock.now() < this.until[part];
  }
}

/** The store, whose every method fails as a full disk would while it is out of order. */
export function unreliableStore(store: Store, disorder: Disorder): Store {
  const repositories = Object.entries(store).map(([name, repository]) => {
    if (typeof repository !== 'object') return [name, repository];
    const wrapped = Object.fromEntries(
      Object.entries(repository).map(([method, call]) => [
        method,
        async (...args: unknown[]) => {
          if (disorder.is('store')) throw new ProxmoxMcpError('store_unavailable', 'database or disk is full');
          return (call as (...args: unknown[]) => unknown).apply(repository, args);
        },
      ]),
    );
    return [name, wrapped];
  });
  return Object.fromEntries(repositories) as Store;
}

/** The audit, which cannot write a line while it is out of order. */
export function unreliableAudit(audit: Audit, disorder: Disorder): Audit {
  const refuse = () => {
    if (disorder.is('audit')) throw new ProxmoxMcpError('audit_unavailable', 'The audit trail cannot be written: no space left on device.');
  };
  return {
    ...audit,
    ready: async () => {
      refuse();
      return audit.ready();
    },
    append: async (record, options) => {
      refuse();
      return audit.append(record, options);
    },
  };
}
