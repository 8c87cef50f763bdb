import type { ApprovalView } from '../../wire.ts';
import { asApiError, get } from '../api.ts';
import { now, state } from '../state.ts';

interface Known {
  /** Undefined while it loads. */
  found?: ApprovalView | 'unknown';
  at: number;
}

const known = new Map<string, Known>();

/** An approval that may still change is read again after this time (ms) at the earliest. */
const FRESH_MS = 2000;

/** An approval that is not in the live lists, because it is old or one of very many; undefined until `arrived` is called. */
export function lookUp(id: string, arrived: () => void): Known['found'] {
  const before = known.get(id);
  const isOpen = before === undefined || (typeof before.found === 'object' && ['pending', 'executing'].includes(before.found.status));
  if (state.session && isOpen && (before === undefined || now() - before.at > FRESH_MS)) void ask(id, before, arrived);
  return before?.found;
}

async function ask(id: string, before: Known | undefined, arrived: () => void): Promise<void> {
  known.set(id, { ...before, at: now() });
  try {
    known.set(id, { found: await get<ApprovalView>(`approvals/${encodeURIComponent(id)}`), at: now() });
  } catch (thrown) {
    if (asApiError(thrown).code !== 'not_found') return void known.delete(id);
    known.set(id, { found: 'unknown', at: now() });
  }
  arrived();
}
