import type { Progress } from '../../engine/types.ts';
import { hasUnicode } from './look.ts';
import { isQuiet, note } from './output.ts';

/** Cells of the bar. */
const CELLS = 20;

/** Shows on standard error how far work has come. */
interface ProgressView {
  show(progress: Progress): void;
  /** Clears the line before anything else is written. */
  end(): void;
}

/** On a terminal one line with a bar that is drawn again and again; elsewhere a line for each message that says something new. */
export function progressView(): ProgressView {
  const { stderr } = process;
  const isNew = news();
  if (!stderr.isTTY || process.env.TERM === 'dumb') return { show: ({ message }) => isNew(message) && note(message), end: () => {} };
  let drawn = false;
  return {
    show(progress) {
      if (isQuiet()) return;
      stderr.write(`\r\u001b[K${barLine(progress, stderr.columns || 80)}`);
      drawn = true;
    },
    end() {
      if (drawn) stderr.write('\r\u001b[K');
      drawn = false;
    },
  };
}

/** Tells whether a message differs from the one before. A long wait reports the same message again and again, so that clients see that it lives. */
export function news(): (message: string) => boolean {
  let last: string | undefined;
  return (message) => {
    const isNew = message !== last;
    last = message;
    return isNew;
  };
}

/** `█████░░░░░ 1/2 start web (101)`, cut to the width of the terminal. */
export function barLine({ done, total, message }: Progress, columns: number, unicode = hasUnicode()): string {
  const [full, empty] = unicode ? ['█', '░'] : ['#', '.'];
  const cells = total === 0 ? 0 : Math.floor((CELLS * done) / total);
  const bar = total === 0 ? '' : `${full.repeat(cells)}${empty.repeat(CELLS - cells)} ${done}/${total} `;
  return `${bar}${message}`.slice(0, columns - 1);
}
