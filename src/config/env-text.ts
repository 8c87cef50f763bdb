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

/**
 * Line numbers, from 1, that are neither an assignment nor a comment (`;` begins one for systemd), or whose quotes do not end. Ignoring such a
 * line would run a server without the limit that it was to set.
 */
export function linesNotUnderstood(text: string): number[] {
  const rest = text.replace(LINE, (all, _name, _single, _double, _back, bare?: string) =>
    bare !== undefined && /^['"`]/.test(bare) ? all : all.replaceAll(/[^\n]/g, ''),
  );
  return rest.split('\n').flatMap((line, index) => (/^\s*([#;]|$)/.test(line) ? [] : [index + 1]));
}

function withoutComment(bare: string): string {
  return bare.replace(/(^|\s)#.*$/, '').trim();
}
