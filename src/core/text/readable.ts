import { plainText } from './text.ts';

/** The most that an approval shows of one value: lines, and characters of each. */
export const SHOWN = { lines: 100, characters: 512 };

/** The lines of a text; a line break at its end begins no further one. */
export function linesIn(text: string): string[] {
  const lines = text.split(/\r?\n/);
  return lines.length > 1 && lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

/** Why an approver would not read all of a text, to continue a sentence about it; undefined when they would. */
export function unreadable(text: string): string | undefined {
  const lines = linesIn(text);
  if (lines.length > SHOWN.lines || lines.some((line) => line.length > SHOWN.characters))
    return `has more than ${SHOWN.lines} lines or more than ${SHOWN.characters} characters in a line`;
  const isPlain = (line: string) => plainText(line, SHOWN.characters) === line.trim();
  return lines.every((line) => isPlain(line.replaceAll('\t', ''))) ? undefined : 'has characters that an approver would not see';
}
