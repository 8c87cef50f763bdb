// npm run links: whether each outer link of the documentation answers. It needs the network, so CI does not run it.
import { join } from 'node:path';
import { render } from './markdown.mjs';
import { readPages } from './pages.mjs';

const root = join(import.meta.dirname, '../..');
/** Names of documentation (RFC 2606), and addresses of this computer. */
const EXAMPLE = /^https?:\/\/([^/]*\.)?(example\.(org|com|net)|localhost|127\.0\.0\.1)\b/;
/** Milliseconds for one answer. */
const TIMEOUT = 20_000;

const pages = readPages(root).map((page) => ({ file: page.file, links: render(page.text).links }));
const links = new Map();
for (const { file, links: targets } of pages)
  for (const href of targets) {
    const url = href.split('#')[0];
    if (/^https?:/.test(url) && !EXAMPLE.test(url)) links.set(url, [...(links.get(url) ?? []), file]);
  }

const failures = [];
const waiting = [...links.keys()];
await Promise.all(Array.from({ length: 8 }, work));
process.stdout.write(`${links.size} links, ${failures.length} do not answer\n`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function work() {
  for (let url = waiting.shift(); url !== undefined; url = waiting.shift()) {
    const problem = await check(url);
    if (problem === undefined) continue;
    failures.push(url);
    process.stderr.write(`${url}: ${problem} (${[...new Set(links.get(url))].join(', ')})\n`);
  }
}

/** @returns undefined: it answers. A site that refuses programs is there. */
async function check(url) {
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT), headers: { 'User-Agent': 'proxmox-mcp link check' } });
    return status < 400 || [401, 403, 405, 429].includes(status) ? undefined : `status ${status}`;
  } catch (error) {
    return error.cause?.code ?? error.name;
  }
}
