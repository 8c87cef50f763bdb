import { execFile } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'site-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `npm run site`. @param from the folder that holds the documentation */
function build(out: string, from = root): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve) =>
    execFile(process.execPath, [join(root, 'scripts/site/index.mjs'), out, from], (error, _stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stderr }),
    ),
  );
}

test('the site builds from the documentation, without a broken inner link', async () => {
  const out = join(folder, 'site');
  expect(await build(out)).toEqual({ code: 0, stderr: '' });
  const pages = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'));
  expect(pages).toEqual(expect.arrayContaining(['index.html', 'tools.html', 'tutorial/ten-minutes.html', 'decisions/index.html']));
  for (const page of pages) {
    const html = readFileSync(join(out, page), 'utf8');
    expect(html, page).toMatch(/<title>[^<]+<\/title>/);
    // One script, the site's own search; the policy of the page lets no other run.
    expect(html.match(/<script[^>]*>/g), page).toEqual([expect.stringMatching(/^<script src="(\.\.?\/)*search\.js" defer>$/)]);
    expect(html, page).toContain("default-src 'none'; script-src 'self';");
    // A page of the site is linked in the site, not as Markdown.
    expect(
      [...html.matchAll(/href="(?!https?:)([^"]+\.md)/g)].map(([, href]) => href),
      page,
    ).toEqual([]);
  }
});

test('a link to a missing file, or to a missing heading, fails the build and is named', async () => {
  const copy = join(folder, 'copy');
  for (const name of [
    'docs',
    'deploy',
    'src',
    'README.md',
    'CHANGELOG.md',
    'CODE_OF_CONDUCT.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'SUPPORT.md',
    'LICENSE',
    'mcp.json',
    '.env.example',
  ])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  appendFileSync(join(copy, 'docs/console.md'), '\n[one](nowhere.md) [two](approvals.md#nowhere) [three](#against)\n');
  appendFileSync(join(copy, 'README.md'), '\n<img src="docs/images/nowhere.png">\n');
  const { code, stderr } = await build(join(folder, 'broken'), copy);
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toEqual([
    'docs/console.md: nowhere.md: the file is missing',
    'docs/console.md: approvals.md#nowhere: the heading is missing',
    'docs/console.md: #against: the heading is missing',
    'README.md: docs/images/nowhere.png: the file is missing',
  ]);
});
