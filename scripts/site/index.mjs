// npm run site: the documentation as pages in site/. Fails when a page has a broken inner link.
//   node scripts/site/index.mjs [folder [root of the documentation]]
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { layout } from './layout.mjs';
import { brokenLinks, linkTo } from './links.mjs';
import { render } from './markdown.mjs';
import { navigation, readPages } from './pages.mjs';
import { searchIndex } from './search-index.mjs';

const here = import.meta.dirname;
const root = process.argv[3] ?? join(here, '../..');
const out = resolve(process.argv[2] ?? join(root, 'site'));

const pages = readPages(root).map((page) => ({ ...page, ...render(page.text) }));
const broken = brokenLinks(root, pages);
for (const line of broken) process.stderr.write(`${line}\n`);
if (broken.length > 0) process.exit(1);

await rm(out, { recursive: true, force: true });
const shown = pages.filter((page) => page.path !== undefined);
for (const page of shown) {
  const file = join(out, page.path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(
    file,
    layout(page, navigation(shown), (href) => linkTo(page, href, pages)),
  );
}
await cp(join(root, 'docs/images'), join(out, 'images'), { recursive: true });
for (const name of ['style.css', 'search.css', 'print.css', 'search.js']) await cp(join(here, name), join(out, name));
await writeFile(join(out, 'search-index.js'), searchIndex(shown));
process.stdout.write(`${shown.length} pages in ${out}\n`);
