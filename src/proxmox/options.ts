/** A guest's options as text, whatever JSON type Proxmox answered with: it answers `cores` with a number and `memory` with a string. */
export type Options = Record<string, string>;

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** Pairs without a value are left out. */
export function optionsOf(pairs: readonly (readonly [string, unknown])[]): Options {
  const options: Options = {};
  for (const [key, value] of pairs) {
    const text = textOf(value);
    if (text !== undefined) options[key] = text;
  }
  return options;
}
