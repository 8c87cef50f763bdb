import { Marked } from 'marked';

/**
 * @param text Markdown
 * @returns the page's title, its headings `{ id, depth, text }`, the targets of its links and images, and `html`, which takes a function
 *   that maps each target to the one in the page
 */
export function render(text) {
  const headings = [];
  const links = [];
  const taken = new Map();
  const marked = new Marked({
    walkTokens(token) {
      if (token.type === 'link' || token.type === 'image') links.push(token.href);
      if (token.type === 'heading') {
        token.id = idOf(token.text, taken);
        headings.push({ id: token.id, depth: token.depth, text: plain(token.text) });
      }
    },
  });
  const tokens = marked.lexer(text.replaceAll(/<!--.*?-->/gs, ''));
  marked.walkTokens(tokens, marked.defaults.walkTokens);
  for (const [, href] of text.matchAll(/<(?:img|source|a)\b[^>]*?\b(?:src|srcset|href)="([^"]+)"/g)) links.push(href);
  const title = headings.find(({ depth }) => depth === 1)?.text;
  return { title, headings, links, sections: sectionsOf(tokens), html: (target) => toHtml(tokens, target) };
}

/** The page cut at its headings, for the search. The first one has no id: its place is the top. @returns `{ id, text, raw }` of each */
function sectionsOf(tokens) {
  const sections = [];
  for (const token of tokens) {
    if (token.type === 'heading') sections.push({ id: token.depth === 1 ? '' : token.id, text: plain(token.text), raw: '' });
    else if (sections.length > 0) sections.at(-1).raw += token.raw;
  }
  return sections;
}

function toHtml(tokens, target) {
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, id }) {
        const text = this.parser.parseInline(tokens);
        return `<h${depth} id="${id}">${text}${depth === 1 ? '' : ` <a class="anchor" href="#${id}" aria-label="Link to this section">#</a>`}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        return `<a href="${escapeHtml(target(href))}">${this.parser.parseInline(tokens)}</a>`;
      },
      image({ href, text }) {
        return `<img src="${escapeHtml(target(href))}" alt="${escapeHtml(text)}">`;
      },
      code({ text, lang }) {
        return `<pre tabindex="0"${lang ? ` data-language="${escapeHtml(lang)}"` : ''}><code>${escapeHtml(text)}</code></pre>\n`;
      },
      table({ header, rows }) {
        // A heading without text is announced as nothing.
        const cellOf = ({ tokens }, tag) => {
          const text = this.parser.parseInline(tokens);
          const name = text === '' ? 'td' : tag;
          return `<${name}>${text}</${name}>`;
        };
        const row = (cells, tag) => `<tr>${cells.map((one) => cellOf(one, tag)).join('')}</tr>`;
        const body = rows.map((cells) => row(cells, 'td')).join('\n');
        return `<div class="table" tabindex="0"><table><thead>${row(header, 'th')}</thead><tbody>${body}</tbody></table></div>\n`;
      },
    },
  });
  return marked.parser(tokens);
}

/** The anchor that GitHub gives a heading, so that one link works there and here. */
function idOf(text, taken) {
  const id = plain(text)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
  const times = taken.get(id) ?? 0;
  taken.set(id, times + 1);
  return times === 0 ? id : `${id}-${times}`;
}

export const plain = (text) =>
  text
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*]/g, '')
    .replaceAll('&amp;', '&');

export const escapeHtml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
