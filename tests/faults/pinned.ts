/** Cells that once failed; every slice runs them. The name of a cell says all that reproduces it. */
export const PINNED: ReadonlySet<string> = new Set<string>([]);
