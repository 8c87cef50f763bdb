import Table from 'cli-table3';
import { plainText } from '../core/text.ts';

/** A table as wide as the terminal at most. Cells may hold text from guests: it is made harmless here. */
export function table(head: string[], rows: unknown[][], { columns = process.stdout.columns ?? 120 } = {}): string {
  const cells = rows.map((row) => row.map((cell) => plainText(cell === undefined || cell === null ? '' : String(cell), 500)));
  const widths = columnWidths(
    head.map((title, index) => Math.max(title.length, ...cells.map((row) => row[index]?.length ?? 0)) + 2),
    columns - head.length - 1,
  );
  const view = new Table({ head, colWidths: widths, wordWrap: true, wrapOnWordBoundary: true, style: { head: ['bold'], border: ['dim'] } });
  view.push(...cells);
  return view.toString();
}

/** Narrows the widest columns until all fit. */
function columnWidths(wanted: number[], available: number): number[] {
  const widths = [...wanted];
  const total = () => widths.reduce((sum, width) => sum + width, 0);
  while (total() > available) {
    const widest = widths.indexOf(Math.max(...widths));
    if ((widths[widest] ?? 0) <= 12) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}
