import { button, h, scrolling, words } from './dom.ts';

export interface Guests {
  columns: string[];
  rows: unknown[][];
  total?: unknown;
  next_cursor?: unknown;
}

const NAMES: Record<string, string> = {
  vmid: 'VMID',
  cpu_percent: 'CPU %',
  memory_used_mb: 'Memory used',
  memory_mb: 'Memory',
  disk_gb: 'Disk',
  disk_used_gb: 'Disk used',
  ha: 'HA',
  cpus: 'CPUs',
};

/** The table of guests. A click on a heading sorts by it, a second one turns the order. */
export function guestTable({ columns, rows, total, next_cursor }: Guests): HTMLElement {
  let sorted = { column: -1, descending: false };
  const body = h('tbody', '');
  const heads = columns.map((column, index) => {
    const head = h(
      'th',
      isNumeric(rows, index) ? 'number' : '',
      button(NAMES[column] ?? titled(column), '', () => sortBy(index)),
    );
    head.scope = 'col';
    return head;
  });

  function sortBy(column: number): void {
    sorted = { column, descending: sorted.column === column && !sorted.descending };
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute('aria-sort', sorted.descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    const sign = sorted.descending ? -1 : 1;
    // Unknown values stand last in either order.
    show(rows.toSorted((a, b) => unknownLast(a[column], b[column]) || sign * compare(a[column], b[column])));
  }

  function show(ordered: unknown[][]): void {
    body.replaceChildren(
      ...ordered.map((row) => h('tr', '', ...columns.map((column, index) => cell(column, row[index], isNumeric(rows, index))))),
    );
  }

  show(rows);
  const more = typeof total === 'number' && (total > rows.length || typeof next_cursor === 'string');
  return h(
    'article',
    'card',
    h('p', 'kind', more ? `${rows.length} of ${total} guests` : `${rows.length} ${rows.length === 1 ? 'guest' : 'guests'}`),
    scrolling(h('table', 'guests', h('thead', '', h('tr', '', ...heads)), body)),
  );
}

function cell(column: string, value: unknown, number: boolean): HTMLElement {
  const status = column === 'status' && typeof value === 'string';
  return h('td', number ? 'number' : status ? `status ${/^[a-z]+$/.test(value) ? value : ''}` : '', words(shown(column, value)));
}

function shown(column: string, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') {
    if (column === 'uptime') return duration(value);
    if (column.endsWith('_mb')) return value < 1024 ? `${value} MiB` : `${Math.round((value / 1024) * 10) / 10} GiB`;
    if (column.endsWith('_gb')) return `${value} GiB`;
  }
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** @param seconds */
function duration(seconds: number): string {
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

function isNumeric(rows: unknown[][], index: number): boolean {
  return rows.some((row) => typeof row[index] === 'number') && rows.every((row) => row[index] == null || typeof row[index] === 'number');
}

function unknownLast(a: unknown, b: unknown): number {
  return Number(a == null) - Number(b == null);
}

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

function compare(a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : names.compare(String(a), String(b));
}

function titled(column: string): string {
  return column.charAt(0).toUpperCase() + column.slice(1).replaceAll('_', ' ');
}
