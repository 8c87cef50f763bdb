/** The fields that have a value: for spreading into an object whose optional fields must be absent rather than undefined. */
export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const key of Object.keys(fields) as (keyof T)[]) {
    const value = fields[key];
    if (value !== undefined) kept[key] = value as Exclude<T[keyof T], undefined>;
  }
  return kept;
}

/** The items that are there: `present(isOff && 'it is off', ...others)` is a list without what a condition left out. */
export function present<T>(...items: readonly (T | false | null | undefined | '')[]): T[] {
  return items.filter((item): item is T => item !== false && item !== null && item !== undefined && item !== '');
}
