import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Whether the reader of this stream sees colours: NO_COLOR turns them off, FORCE_COLOR on, else a terminal that is not dumb has them. */
export function hasColours(stream: { isTTY?: boolean } = process.stdout): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return stream.isTTY === true && TERM !== 'dumb';
}

export function paint(style: Style, text: string): string {
  return hasColours() ? styleText(style, text) : text;
}

/** Whether the terminal shows more than ASCII: as POSIX says, the first of these variables with a value counts, and none means ASCII. */
export function hasUnicode({ TERM, LC_ALL, LC_CTYPE, LANG } = process.env, platform = process.platform): boolean {
  if (TERM === 'dumb') return false;
  return platform === 'win32' || /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}
