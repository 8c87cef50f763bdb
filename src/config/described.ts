import type * as z from 'zod';

/** How a value in the system-wide file binds what environment and flags say. `fixed`: it replaces them; the others: the stricter one counts. */
export type Ceiling = 'lower' | 'true' | 'stricter' | 'fixed';

/** The facts about a variable beside its type: for the loader, the documentation, `.env.example` and `doctor`. */
export type Described = {
  section: 'Connection' | 'Placement' | 'Limits' | 'Approval' | 'Behaviour' | 'Remote agents' | 'Files';
  description: string;
  /** Shown as the default where it is not a plain value. */
  defaultText?: string;
  example: string;
  secret?: boolean;
  ceiling?: Ceiling;
};

/** A variable: its type, and everything else that is known about it. */
export function setting<T extends z.ZodType>(type: T, described: Described): T {
  return type.meta(described) as T;
}
