/** Words of the second column keep at least this many characters a line. */
const LEAST = 20;

/**
 * Prose with line breaks between words, none wider than the terminal. The later lines of a paragraph are indented by `indent`, or stand below its
 * last column. Longer words stay whole.
 */
export function wrap(text: string, { columns = process.stdout.columns || 100, indent = '' } = {}): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, columns, below(line, columns) ?? indent))
    .join('\n');
}

/** Blanks up to the last column of an indented line in columns. */
function below(line: string, columns: number): string | undefined {
  const [, before] = /^( +\S.* {2,})\S/.exec(line) ?? [];
  return before !== undefined && before.length + LEAST <= columns ? ' '.repeat(before.length) : undefined;
}

function wrapLine(text: string, columns: number, indent: string): string {
  if (text.length <= columns) return text;
  const lines: string[] = [];
  // Blanks inside a line stay: they align what stands in columns.
  let line = '';
  for (const word of text.match(/\s*\S+/g) ?? []) {
    if (line === '' || line.length + word.length <= columns) line += word;
    else {
      lines.push(line);
      line = indent + word.trimStart();
    }
  }
  return [...lines, line].join('\n');
}
