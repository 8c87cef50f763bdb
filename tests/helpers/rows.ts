/** The rows of a list as a model gets it, `{columns, rows}`, as objects. */
export function rowsOf<Row = Record<string, unknown>>(answer: object): Row[] {
  const { columns, rows } = answer as { columns: string[]; rows: unknown[][] };
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])) as Row);
}
