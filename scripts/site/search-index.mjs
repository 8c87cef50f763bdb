import { plain } from './markdown.mjs';

/**
 * The index of the search box: each section of each page, as `[page, heading, id, text]`. A page is a number in `pages`.
 * It is a script, not JSON: a page opened from a folder may load scripts and nothing else.
 * @param pages with `path`, `title` and `sections` `{ id, text, raw }`
 */
export function searchIndex(pages) {
  const sections = pages.flatMap(({ sections }, page) => sections.map(({ id, text, raw }) => [page, text, id, wordsOf(raw)]));
  const titles = pages.map(({ path, title }) => [path, title]);
  // A line separator ends a line of a script in old browsers.
  const json = JSON.stringify({ pages: titles, sections }).replaceAll('\u2028', ' ').replaceAll('\u2029', ' ');
  return `globalThis.siteIndex = ${json};\n`;
}

/** The text without the signs of Markdown, in one line. */
function wordsOf(raw) {
  return plain(raw.replaceAll(/^ *```.*$|^ *\|[ :|-]+\|$/gm, ' '))
    .replaceAll(/^ *> |\|/gm, ' ')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
