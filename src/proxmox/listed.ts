import { digestOf } from '../core/text/canonical.ts';

/** A row of a list that has one digest, which each row carries: rules, IP sets, aliases. */
export type ListRow = Record<string, unknown>;

/** SHA-1 of nothing: the digest of an empty list (recorded from Proxmox VE 9.2). */
const EMPTY = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
/** Fields that Proxmox derives from the others. */
export const MADE: readonly string[] = ['digest', 'ipversion', 'errors'];

export function digestOfList(rows: readonly ListRow[]): string {
  const [first] = rows;
  return first === undefined ? EMPTY : String(first.digest);
}

/** Hash of the rows of a list, as text and without derived fields. The order counts where rows have a position. */
export function contentOf(rows: readonly ListRow[]): string {
  return digestOf(rows.map(contentOfRow).sort());
}

function contentOfRow(row: ListRow): string {
  const fields = Object.entries(row).filter(([key, value]) => !MADE.includes(key) && value !== undefined && value !== null);
  return JSON.stringify(fields.map(([key, value]) => [key, String(value)]).sort());
}
