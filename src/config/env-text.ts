// One assignment a line, as a shell reads it. A value in quotes may hold line breaks, and all but its quote.
const LINE = /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*(?:'([^']*)'|"([^"]*)"|`([^`]*)`|([^\r\n]*))/gm;

/**
 * The assignments of an env file. Without quotes `#` begins a comment only at the start or after a blank, as in a shell: Node's own parser cuts
 * `abc#def`.
 */
export function parseEnvText(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(LINE)].map(([, name = '', single, double, back, bare = '']) => [
      name,
      single ?? double?.replaceAll('\\n', '\n') ?? back ?? withoutComment(bare),
    ]),
  );
}

function withoutComment(bare: string): string {
  return bare.replace(/(^|\s)#.*$/, '').trim();
}
