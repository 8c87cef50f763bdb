/** Former names of tools, each with the present name. They are not listed, and calls by them work; docs/releasing.md says for how long. */
export const FORMER_NAMES = new Map<string, string>();

/** The former names of one tool. */
export function formerNames(present: string): string[] {
  return [...FORMER_NAMES].flatMap(([former, name]) => (name === present ? [former] : []));
}
