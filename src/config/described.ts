import * as z from 'zod';
import type { Settings } from '../core/settings/settings.ts';

/** How a value in the system-wide file binds what environment and flags say. `fixed`: it replaces them; the others: the stricter one counts. */
export type Ceiling = 'lower' | 'true' | 'stricter' | 'fixed';

/** `readOnly`, `limits.maxCpu`: a field of `Settings` or of one of its groups. */
type Field = { [G in keyof Settings]-?: G | `${G}.${keyof Settings[G] & string}` }[keyof Settings];

/** The facts about a variable beside its type: for the loader, the documentation, `.env.example` and `doctor`. */
export type Described = {
  /** Its place in `Settings`, such as `limits.maxCpu`. Absent: `settings.ts` makes something of it. */
  field?: Field;
  section: 'Connection' | 'Placement' | 'Limits' | 'Approval' | 'Behaviour' | 'Remote agents' | 'Files';
  description: string;
  /** Shown as the default where it is not a plain value. */
  defaultText?: string;
  example: string;
  secret?: boolean;
  ceiling?: Ceiling;
};

/** A type that knows at compile time which field of `Settings` it fills. */
export interface Filling<F extends string> {
  readonly '~field'?: F;
}

const known = z.registry<Described>();

/** A variable: its type, which belongs to no other variable, and everything else that is known about it. */
export function setting<T extends z.ZodType, const F extends Field = never>(type: T, described: Described & { field?: F }): T & Filling<F> {
  known.add(type, described);
  return type;
}

/** The facts that `setting` gave the variable of this type. */
export function describedAs(type: z.ZodType): Described {
  return known.get(type) as Described;
}
