import SqliteDatabase from '../../src/sqlite.ts';

/** Everything that an embedded cluster is, a line a document: its guests, storages, rights, tasks and counters. Reads alone change none of it. */
export function wholeState(file: string): string[] {
  const db = new SqliteDatabase(file, { readonly: true });
  try {
    const of = (table: string, columns: string) =>
      db.prepare(`SELECT ${columns} FROM ${table} ORDER BY ${columns}`).raw().all() as unknown[][];
    return [...of('meta', 'key, value'), ...of('guests', 'vmid, doc'), ...of('things', 'kind, id, doc'), ...of('tasks', 'seq, doc')].map(
      (row) => row.join(' '),
    );
  } finally {
    db.close();
  }
}
