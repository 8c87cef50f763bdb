import type { Condition, Params, RequestStep, Step } from '../../../core/plan/plan.ts';
import { contentOf, type ListRow } from '../../../proxmox/listed.ts';

/** A list of the firewall as it is after the requests so far. Positions and digest shift with each of them. */
export interface Draft {
  path: string;
  rows: ListRow[];
  /** As it was read. */
  digest: string;
  /** The request that changed it last. */
  last?: string;
}

interface Change extends Pick<RequestStep, 'id' | 'method' | 'path' | 'purpose'> {
  params?: Params;
  proof: Condition;
  /** The rows afterwards. */
  next: ListRow[];
}

/** A change of the list that Proxmox refuses when the list is not the one of the plan. */
export function change(draft: Draft, one: Change): Step {
  const { last, rows } = draft;
  const digest = last === undefined ? draft.digest : ({ $from: `${last}.digest`, of: draft.path, is: contentOf(rows) } as const);
  return changeByName(draft, { ...one, params: { ...one.params, digest } });
}

/** The same for methods that take no digest: what they act on has a name. */
export function changeByName(draft: Draft, { next, params = {}, ...step }: Change): Step {
  draft.last = step.id;
  draft.rows = next;
  return { kind: 'request', ...step, params };
}
