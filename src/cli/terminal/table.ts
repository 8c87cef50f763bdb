import CliTable from 'cli-table3';
import width from 'string-width';
import { duration } from '../../core/text/duration.ts';
import type { Json } from '../../core/text/json.ts';
import { plainText } from '../../core/text/text.ts';
import { compactText } from '../../render/compact.ts';
import type { Table } from '../../render/table.ts';
import { hasColours, hasUnicode } from './look.ts';

const CORNERS = ['top-left', 'top-mid', 'top-right', 'bottom-left', 'bottom-mid', 'bottom-right', 'left-mid', 'mid-mid', 'right-mid'];
const LINES = { top: '-', bottom: '-', mid: '-', left: '|', right: '|', middle: '|' };
const ASCII: Record<string, string> = { ...Object.fromEntries(CORNERS.map((corner) => [corner, '+'])), ...LINES };

/**
 * A table at most as wide as the terminal: in a frame, without one where that is too wide, or else in blocks of lines. Cells may hold text
 * from guests: it is cleaned here.
 */
export function table(head: string[], rows: unknown[][], { columns = process.stdout.columns || 120 } = {}): string {
  const cells = rows.map((row) => row.map((cell) => plainText(cell === undefined || cell === null ? '' : String(cell), 500)));
  const broken = cells.map((row) => row.map(atHyphens));
  return drawn(head, cells, columns, FRAME) ?? drawn(head, broken, columns, GAPS) ?? blocks(head, cells);
}

interface Look {
  /** Columns of the terminal beside those of the text, for each cell and for the whole. */
  padding: number;
  between: number;
  around: number;
  chars: () => Record<string, string>;
}
const FRAME: Look = { padding: 2, between: 1, around: 2, chars: () => (hasUnicode() ? {} : ASCII) };
const NO_LINES = { ...Object.fromEntries(Object.keys(ASCII).map((name) => [name, ''])), middle: '  ' };
const GAPS: Look = { padding: 0, between: 2, around: 0, chars: () => NO_LINES };

/** @returns undefined where the table is wider than the terminal */
function drawn(head: string[], cells: string[][], columns: number, { padding, between, around, chars }: Look): string | undefined {
  const available = columns - (head.length - 1) * between - around;
  const column = (index: number) => [head[index] ?? '', ...cells.map((row) => row[index] ?? '')];
  const longest = (texts: string[], limit = Number.POSITIVE_INFINITY) =>
    padding + Math.max(...texts.map((text) => Math.min(width(text), limit)));
  const widths = columnWidths(
    head.map((_, index) => ({
      wanted: longest(column(index).flatMap((text) => text.split('\n'))),
      least: longest(
        column(index).flatMap((text) => text.split(/[ \n]/)),
        LONGEST_WORD,
      ),
    })),
    available,
  );
  if (widths.reduce((sum, width) => sum + width, 0) > available) return undefined;
  // Rules between rows only where a row takes several lines.
  const wraps = cells.some((row) => row.some((text, index) => text.includes('\n') || width(text) + padding > (widths[index] ?? 0)));
  const rules = wraps ? {} : { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const style = {
    ...(hasColours() ? { head: ['bold'], border: ['dim'] } : { head: [], border: [] }),
    ...{ 'padding-left': padding / 2, 'padding-right': padding / 2 },
  };
  const view = new CliTable({ head, chars: { ...chars(), ...rules }, colWidths: widths, wordWrap: true, wrapOnWordBoundary: true, style });
  view.push(...cells);
  return view.toString();
}

/** A list that an operation answers: its rows, and below them what else it says. Columns without a value are left out. */
export function tableText({ columns, rows, ...rest }: Table): string {
  const used = columns.map((_, index) => index).filter((index) => rows.some((row) => row[index] !== null));
  const cells = rows.map((row) => used.map((index) => cellText(row[index], columns[index])));
  const head = used.map((index) => (columns[index] ?? '').replaceAll('_', ' '));
  const list = rows.length === 0 ? '' : table(head, cells);
  return [list, compactText(rest)].filter((text) => text !== '').join('\n');
}

function cellText(value: Json | undefined, column?: string): unknown {
  if (Array.isArray(value)) return value.map((one) => cellText(one)).join(', ');
  // Seconds for programs; a person reads days.
  if (column === 'uptime' && typeof value === 'number') return duration(value);
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}

/** The form for a terminal too narrow for a table: each row on its own lines. */
function blocks(head: string[], cells: string[][]): string {
  const lines = (row: string[]) => row.flatMap((text, index) => (text === '' ? [] : `${head[index] ?? ''}: ${text}`));
  return cells.map((row) => lines(row).join('\n')).join('\n\n');
}

/** A long name goes on several lines where the terminal is narrow; an id that one copies stays whole. */
function atHyphens(text: string): string {
  return text.replace(/(?<=^|\s)[A-Za-z0-9.-]{17,}(?=\s|$)/g, (word) => word.replace(/(\S{5,15}-)(?=\S{4})/g, '$1\n'));
}

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
