/** First line of every generated file. */
export const GENERATED = '<!-- Generated from the definitions in src/ by `npm run docs`; edit those. -->';

/** A Markdown table. */
export function rows(head: string[], body: string[][]): string {
  return [head, head.map(() => '---'), ...body].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

/** Text that stays in its cell. */
export function cell(text: string): string {
  return text.replaceAll('\n', ' ').replace(/(?<!\\)\|/g, '\\|');
}
