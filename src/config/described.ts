import * as z from 'zod';
import type { Settings } from '../core/settings/settings.ts';

/** `readOnly`, `limits.maxCpu`: a field of `Settings` or of one of its groups. */
type Field = { [G in keyof Settings]-?: G | `${G}.${keyof Settings[G] & string}` }[keyof Settings];

export type Section = 'Connection' | 'Placement' | 'Limits' | 'Approval' | 'Behaviour' | 'Remote agents' | 'Files';

/** The facts about a variable beside its type: for the loader, the documentation, `.env.example` and `doctor`. */
export type Described = {
  /** Its place in `Settings`, such as `limits.maxCpu`. Absent: `settings.ts` makes something of it. */
  field?: Field;
  section: Section;
  description: string;
  /** Shown as the default where it is neither a plain value nor "none". */
  defaultText?: string;
  /** Default: the default value. */
  example?: string;
  secret?: boolean;
  /** How a value in the system-wide file binds other sources. `fixed` replaces theirs; otherwise the stricter one counts. */
  ceiling?: 'lower' | 'true' | 'stricter' | 'fixed';
};

/** A type that knows at compile time which field of `Settings` it fills. */
interface Filling<F extends string> {
  readonly '~field'?: F;
}

const known = z.registry<Described>();

/**
 * Describes the variables of one section.
 * @returns takes the type of a variable, which belongs to no other variable, and the facts about it
 */
export function section(name: Section) {
  return <T extends z.ZodType, const F extends Field = never>(
    type: T,
    described: Omit<Described, 'section'> & { field?: F },
  ): T & Filling<F> => {
    known.add(type, { ...described, section: name });
    return type;
  };
}

/** The facts about the variable of this type. */
export function describedAs(type: z.ZodType): Described {
  return known.get(type) as Described;
}
