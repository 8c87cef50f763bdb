import { posix } from 'node:path';
import { escapeHtml } from './markdown.mjs';

const REPOSITORY = 'https://github.com/proxmox-mcp/proxmox-mcp';
/** Headings of a page that are listed beside it; a long reference lists its sections alone. */
const MOST_LISTED = 60;

/** A whole page. Its one script is the search box, which stays hidden without it. @param target maps a link of the Markdown to one of the site */
export function layout(page, sections, target) {
  const up = posix.relative(posix.dirname(page.path), '.') || '.';
  const to = (path) => (path === page.path ? posix.basename(path) : `${up}/${path}`);
  const isHome = page.path === 'index.html';
  const title = isHome ? page.title : `${page.title} · proxmox-mcp`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="${to('style.css')}">
<link rel="stylesheet" href="${to('search.css')}">
<link rel="stylesheet" href="${to('print.css')}" media="print">
<link rel="icon" href="${to('images/icon.png')}">
<script src="${to('search.js')}" defer></script>
</head>
<body${isHome ? ' class="home"' : ''}>
<a class="skip" href="#content">Skip to the content</a>
<header>
<a class="brand" href="${to('index.html')}"><img src="${to('images/icon.png')}" alt="" width="28" height="28">proxmox-mcp</a>
<form class="search" role="search" hidden data-up="${up}">
<input type="search" placeholder="Search (press /)" aria-label="Search the documentation" autocomplete="off" spellcheck="false">
<div class="found"><p role="status"></p><ol hidden></ol></div>
</form>
<a href="${REPOSITORY}">GitHub</a>
</header>
<details class="menu"><summary>All pages</summary>
${menu(page, sections, to)}
</details>
<div class="columns">
<nav class="side" aria-label="Pages">
${menu(page, sections, to)}
</nav>
<main id="content">
${page.html(target)}
<footer><a href="${REPOSITORY}/edit/main/${page.file}">Edit this page</a><span>MIT licence. Not affiliated with Proxmox Server Solutions GmbH.</span></footer>
</main>
${contents(page)}
</div>
</body>
</html>
`;
}

function menu(page, sections, to) {
  const link = ({ path, title }) =>
    `<li><a href="${to(path)}"${path === page.path ? ' aria-current="page"' : ''}>${escapeHtml(title)}</a></li>`;
  return sections.map(([section, pages]) => `<p>${section}</p>\n<ul>\n${pages.map(link).join('\n')}\n</ul>`).join('\n');
}

function contents({ headings, path }) {
  const listed = headings.filter(({ depth }) => depth === 2 || depth === 3);
  const shown = listed.length > MOST_LISTED ? listed.filter(({ depth }) => depth === 2) : listed;
  if (shown.length < 3 || path === 'index.html') return '';
  const item = ({ id, depth, text }) => `<li class="level${depth}"><a href="#${id}">${escapeHtml(text)}</a></li>`;
  return `<nav class="contents" aria-label="On this page"><p>On this page</p><ul>${shown.map(item).join('\n')}</ul></nav>`;
}
