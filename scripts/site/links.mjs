import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';

const REPOSITORY = 'https://github.com/proxmox-mcp/proxmox-mcp/blob/main/';
const IMAGES = 'docs/images/';

const isOuter = (href) => /^[a-z][a-z0-9+.-]*:/i.test(href);

/** The file of the repository and the heading that a link of a page means. */
function targetOf(page, href) {
  const [path, id = ''] = href.split('#');
  return { file: path === '' ? page.file : posix.normalize(posix.join(posix.dirname(page.file), path)), id };
}

/** @returns a line for each inner link that leads to no file or to no heading: `file: link: what is missing` */
export function brokenLinks(root, pages) {
  return pages.flatMap((page) =>
    page.links
      .filter((href) => !isOuter(href))
      .flatMap((href) => {
        const { file, id } = targetOf(page, href);
        if (!existsSync(join(root, file))) return [`${page.file}: ${href}: the file is missing`];
        const target = pages.find((other) => other.file === file);
        const isThere = id === '' || target === undefined || target.headings.some((heading) => heading.id === id);
        return isThere ? [] : [`${page.file}: ${href}: the heading is missing`];
      }),
  );
}

/** @returns the target in the site; a file that the site does not show is linked in the repository */
export function linkTo(page, href, pages) {
  if (isOuter(href)) return href;
  const { file, id } = targetOf(page, href);
  const anchor = id === '' ? '' : `#${id}`;
  const up = posix.relative(posix.dirname(page.path), '.') || '.';
  if (file.startsWith(IMAGES)) return `${up}/images/${file.slice(IMAGES.length)}`;
  const path = pages.find((other) => other.file === file)?.path;
  if (path === undefined) return `${REPOSITORY}${file}${anchor}`;
  return path === page.path ? anchor || posix.basename(path) : `${up}/${path}${anchor}`;
}
