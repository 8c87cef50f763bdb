import { defined } from '../core/defined.ts';
import { asError } from '../core/errors/errors.ts';
import type { Caller } from '../core/people/caller.ts';
import type { Engine } from '../engine/types.ts';

/**
 * Denies what one requester asked for up to `until` (epoch ms), each request by itself, so that each leaves its line in the audit.
 * @returns how many this call denied
 */
export async function denyAllOf(
  engine: Pick<Engine, 'watch' | 'perform'>,
  { principal, reason, until }: { principal: string; reason?: string; until: number },
  caller: Caller,
): Promise<number> {
  let denied = 0;
  // The engine lists some at a time: it lists again until none is left or none could be denied.
  for (;;) {
    const { pending } = await engine.watch();
    const theirs = pending.filter((a) => a.principal === principal && Date.parse(a.createdAt) <= until);
    let here = 0;
    for (const { id } of theirs) if (await deny(id)) here += 1;
    denied += here;
    if (here === 0) return denied;
  }

  async function deny(id: string): Promise<boolean> {
    try {
      await engine.perform('deny', { approval_id: id, ...defined({ reason }) }, caller);
      return true;
    } catch (thrown) {
      // Another approver was faster, or it expired.
      if (GONE.has(asError(thrown).code)) return false;
      throw thrown;
    }
  }
}

const GONE: ReadonlySet<string> = new Set(['approval_used', 'approval_expired', 'approval_denied', 'approval_stale', 'approval_unknown']);
