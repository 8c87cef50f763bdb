import CliTable from 'cli-table3';
import width from 'string-width';
import type { Json } from '../../core/json.ts';
import { plainText } from '../../core/text.ts';
import { compactText } from '../../render/compact.ts';
import type { Table } from '../../render/table.ts';
import { hasColours, hasUnicode } from './look.ts';

const CORNERS = ['top-left', 'top-mid', 'top-right', 'bottom-left', 'bottom-mid', 'bottom-right', 'left-mid', 'mid-mid', 'right-mid'];
const ASCII = {
  ...Object.fromEntries(CORNERS.map((corner) => [corner, '+'])),
  ...{ top: '-', bottom: '-', mid: '-', left: '|', right: '|', middle: '|' },
};

/** A table as wide as the terminal at most, or blocks of lines where even that is too wide. Cells may hold text from guests: it is made harmless here. */
export function table(head: string[], rows: unknown[][], { columns = process.stdout.columns || 100 } = {}): string {
  const cells = rows.map((row) => row.map((cell) => plainText(cell === undefined || cell === null ? '' : String(cell), 500)));
  const column = (index: number) => [head[index] ?? '', ...cells.map((row) => row[index] ?? '')];
  const widths = columnWidths(
    head.map((_, index) => ({
      wanted: PADDING + Math.max(...column(index).map((text) => width(text))),
      least: PADDING + Math.max(...column(index).flatMap((text) => text.split(' ').map((word) => Math.min(width(word), LONGEST_WORD)))),
    })),
    columns - head.length - 1,
  );
  if (widths.reduce((sum, width) => sum + width, 0) > columns - head.length - 1) return blocks(head, cells);
  // Rules between rows only where a row takes several lines.
  const wraps = cells.some((row) => row.some((text, index) => width(text) + PADDING > (widths[index] ?? 0)));
  const chars = { ...(hasUnicode() ? {} : ASCII), ...(wraps ? {} : { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }) };
  const style = hasColours() ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] };
  const view = new CliTable({ head, chars, colWidths: widths, wordWrap: true, wrapOnWordBoundary: true, style });
  view.push(...cells);
  return view.toString();
}

/** A list that an operation answers: its rows, and below them what else it says. Columns without a value are left out. */
export function tableText({ columns, rows, ...rest }: Table): string {
  const used = columns.map((_, index) => index).filter((index) => rows.some((row) => row[index] !== null));
  const cells = rows.map((row) => used.map((index) => cellText(row[index])));
  const list =
    rows.length === 0
      ? ''
      : table(
          used.map((index) => columns[index] ?? ''),
          cells,
        );
  return [list, compactText(rest)].filter((text) => text !== '').join('\n');
}

function cellText(value: Json | undefined): unknown {
  if (Array.isArray(value)) return value.map(cellText).join(', ');
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}

/** The form for a terminal too narrow for a table: each row on its own lines. */
function blocks(head: string[], cells: string[][]): string {
  const lines = (row: string[]) => row.flatMap((text, index) => (text === '' ? [] : `${head[index] ?? ''}: ${text}`));
  return cells.map((row) => lines(row).join('\n')).join('\n\n');
}

const PADDING = 2;
/** Shorter words are never cut: an id must be copied whole. */
const LONGEST_WORD = 40;

/** Narrows the widest columns until all fit, none below its longest word. */
function columnWidths(columns: { wanted: number; least: number }[], available: number): number[] {
  const widths = columns.map(({ wanted }) => wanted);
  while (widths.reduce((sum, width) => sum + width, 0) > available) {
    const narrowable = widths.map((width, index) => (width > (columns[index]?.least ?? 0) ? width : 0));
    const widest = narrowable.indexOf(Math.max(...narrowable));
    if (narrowable[widest] === 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}
