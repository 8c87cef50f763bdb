import type { ProxmoxApi } from '../core/proxmox.ts';
import type { JsonObject } from '../core/text/json.ts';
import type { ReadOperation } from '../operations/define.ts';
import type { Ports } from './ports.ts';
import type { Call } from './types.ts';

/** How long (ms) others may join a read after it began: what they get is older than their call by no more than that. */
const JOIN_MS = 1_000;

interface UnderWay {
  began: number;
  /** Changes of this process before it began. */
  changes: number;
  answer: Promise<JsonObject>;
}

const reads = new WeakMap<ProxmoxApi, Map<string, UnderWay>>();

/**
 * Equal reads at the same time are one: the same operation, arguments and scope, on which alone an answer depends. A read that began before a
 * change of this process is not joined after it. All callers that joined get the same object, which none may change.
 */
export async function sharedRead(
  { operation, args, caller }: Pick<Call<ReadOperation>, 'operation' | 'args' | 'caller'>,
  { cluster: { api }, clock }: Pick<Ports, 'cluster' | 'clock'>,
  work: () => Promise<JsonObject>,
): Promise<JsonObject> {
  const underWay = reads.get(api) ?? new Map<string, UnderWay>();
  reads.set(api, underWay);
  const key = JSON.stringify([operation.name, args, caller.scope]);
  const [now, changes] = [clock.now(), api.changes?.() ?? 0];
  const other = underWay.get(key);
  if (other && other.changes === changes && now - other.began < JOIN_MS) return other.answer;
  const own: UnderWay = { began: now, changes, answer: work() };
  underWay.set(key, own);
  try {
    return await own.answer;
  } finally {
    if (underWay.get(key) === own) underWay.delete(key);
  }
}
