import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Caller } from '../../src/core/people/caller.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import { requestApproval } from '../../src/engine/approvals/requests.ts';
import { Deadline } from '../../src/engine/calls/deadline.ts';
import type { Ports } from '../../src/engine/ports.ts';
import type { ChangeOperation } from '../../src/operations/define.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { asker, type Parts, parts, planOf } from './parts.ts';

/** One store for the tests of a file about approvals, and a cluster of its own for each of them. */
export interface Requests {
  readonly store: Store;
  readonly dataDir: string;
  world(over?: Partial<Parts>): Parts;
  /** The ports of another call on the cluster of these. */
  again(ports: Parts): Parts;
}

export function useRequests(): Requests {
  let store: Store;
  let dataDir: string;
  let clusters = 0;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'requests-'));
    store = await openStore({ dataDir });
  });
  afterAll(async () => {
    await store.close();
    rmSync(dataDir, { recursive: true });
  });
  const world = (over: Partial<Parts> = {}): Parts => {
    const ports = parts(store, { dataDir });
    clusters += 1;
    return Object.assign(ports, { proxmox: { ...ports.proxmox, cluster: `c${clusters}` } }, over);
  };
  return {
    world,
    again: ({ proxmox }) => world({ proxmox }),
    get store() {
      return store;
    },
    get dataDir() {
      return dataDir;
    },
  };
}

interface Asking {
  plan?: Plan;
  args?: object;
  caller?: Caller;
  reason?: string;
}

export function ask(
  ports: Ports,
  { plan = planOf(), args = { vmid: 105 }, caller = asker(), reason }: Asking = {},
): Promise<ApprovalRecord> {
  return requestApproval(
    {
      operation: {} as ChangeOperation,
      args: args as { vmid: number },
      caller,
      options: reason === undefined ? {} : { reason },
      deadline: new Deadline('end', 0, ports),
      plan,
      method: 'terminal',
      needed: 2,
    },
    ports,
  );
}

export const refused = (code: string, message: string) => expect.objectContaining({ code, message });
/** The lines of the audit: kind, status and principal. */
export const lines = (ports: Parts) => ports.told.map(({ kind, status, principal }) => `${kind} ${status} by ${principal}`);
