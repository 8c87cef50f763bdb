/** Words of the second column keep at least this many characters a line. */
const LEAST = 20;

/**
 * Prose with line breaks between words, no line wider than the terminal. The later lines of a paragraph are indented by `indent`, or begin
 * below its last column. Text before that column, such as a command, stays whole. So do longer words.
 */
export function wrap(text: string, { columns = process.stdout.columns || 100, indent = '' } = {}): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, columns, indent))
    .join('\n');
}

function wrapLine(text: string, columns: number, indent: string): string {
  if (text.length <= columns) return text;
  const [, before = '', rest = ''] = /^( +\S.* {2,})(\S.*)$/.exec(text) ?? [];
  if (before !== '' && before.length + LEAST <= columns) return breakWords(before, rest, columns, ' '.repeat(before.length));
  // Commands are copied.
  return /^ *(proxmox-mcp|pveum) /.test(text) ? text : breakWords('', text, columns, indent);
}

function breakWords(head: string, text: string, columns: number, indent: string): string {
  const lines: string[] = [];
  let line = head;
  // Blanks inside a line stay.
  for (const word of text.match(/\s*\S+/g) ?? []) {
    if (line === head || line.length + word.length <= columns) line += word;
    else {
      lines.push(line);
      line = indent + word.trimStart();
    }
  }
  return [...lines, line].join('\n');
}
