import type { Effect } from '../../../core/plan/effect.ts';
import type { Condition, Params, Plan, Step } from '../../../core/plan/plan.ts';
import { summed } from '../../../core/sums.ts';
import type { Json } from '../../../core/text/json.ts';

/** One side of a change of a guest: disks, NICs, names and so on. All sides make one plan. */
export interface Facet {
  /** Each completes "Change web1 (105): …". */
  changes: NonNullable<Plan['changes']>;
  /** Options of the one request that changes the configuration, and those that it removes. */
  set: Params;
  remove: string[];
  /** The part of it that can be read back. */
  has: Record<string, string | null>;
  parts: Record<string, string[]>;
  /** Further requests, after that one; the digest is filled in. */
  steps: ((digest: Params[string] | undefined) => Step)[];
  expected: Condition[];
  before: Record<string, Json>;
  after: Record<string, Json>;
  warnings: string[];
  raises: { effect: Effect; because: string }[];
  undo: string[];
  /** GiB that the guest's disks grow by, and where. */
  growGib: number;
  space: Record<string, number>;
}

export function facet(part: Partial<Facet> = {}): Facet {
  return {
    ...{ changes: [], set: {}, remove: [], has: {}, parts: {}, steps: [], expected: [], before: {}, after: {} },
    ...{ warnings: [], raises: [], undo: [], growGib: 0, space: {} },
    ...part,
  };
}

const LISTS = ['changes', 'remove', 'steps', 'expected', 'warnings', 'raises', 'undo'] as const;
const RECORDS = ['set', 'has', 'parts', 'before', 'after'] as const;

/** All sides as one. */
export function joined(facets: readonly Facet[]): Facet {
  const lists = LISTS.map((key) => [key, facets.flatMap((one): unknown[] => one[key])]);
  const records = RECORDS.map((key) => [key, Object.assign({}, ...facets.map((one) => one[key]))]);
  return {
    ...facet(Object.fromEntries([...lists, ...records])),
    growGib: facets.reduce((sum, one) => sum + one.growGib, 0),
    space: Object.fromEntries(summed(facets.flatMap(({ space }) => Object.entries(space)))),
  };
}
