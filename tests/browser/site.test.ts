import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeFaults, launch, openPage } from './browser.ts';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const folder = mkdtempSync(join(tmpdir(), 'site-pages-'));
let browser: Browser;

beforeAll(async () => {
  execFileSync(process.execPath, [join(import.meta.dirname, '../../scripts/site/index.mjs'), folder]);
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const urlOf = (page: string) => pathToFileURL(join(folder, page)).href;

test.each([
  ['desk', 1280, 860],
  ['phone', 390, 844],
])('every page of the site fits the width of a %s, and loads all that it names', async (_name, width, height) => {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce' });
  const { page, faults } = await openPage(context);
  const missing: string[] = [];
  page.on('requestfailed', (request) => missing.push(request.url()));
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'))) {
    await page.goto(urlOf(name));
    const seen = await page.evaluate(`({
      over: document.documentElement.scrollWidth - window.innerWidth,
      headings: document.querySelectorAll('h1').length,
      pictures: [...document.images].every((image) => image.complete && image.naturalWidth > 0),
    })`);
    expect(seen, name).toEqual({ over: 0, headings: 1, pictures: true });
  }
  expect(faults).toEqual([]);
  expect(missing).toEqual([]);
  await context.close();
});

test.each(['light', 'dark'] as const)('axe finds no violation on the site, %s', async (colorScheme) => {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 860 },
    reducedMotion: 'reduce',
    colorScheme,
    bypassCSP: true,
  });
  const { page } = await openPage(context);
  for (const name of [
    'index.html',
    'tutorial/ten-minutes.html',
    'how-to/connect-a-client.html',
    'configuration.html',
    'explanation/comparison.html',
  ]) {
    await page.goto(urlOf(name));
    await page.addScriptTag({ path: AXE });
    const violations = await page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html }) => html)]))',
    );
    expect(violations, name).toEqual([]);
  }
  await context.close();
});

test('on a phone the menu leads to a page, and a link beside a heading leads to it', async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, reducedMotion: 'reduce' });
  const { page } = await openPage(context);
  await page.goto(urlOf('index.html'));
  await page.getByText('All pages').click();
  await page.locator('.menu').getByRole('link', { name: 'Require two people' }).click();
  expect(new URL(page.url()).pathname).toMatch(/\/how-to\/two-people\.html$/);
  await page.getByRole('link', { name: 'a server for others' }).click();
  expect(await page.locator('h1').textContent()).toContain('Deployment');
  await context.close();
});

describe('the search box', () => {
  async function opened(name: string, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce', ...options });
    const { page, faults } = await openPage(context);
    await page.goto(urlOf(name));
    return { context, page, faults, found: page.locator('.found a') };
  }

  test('finds a section of another page without a server, and its link leads there', async () => {
    const { context, page, faults, found } = await opened('how-to/token.html');
    await page.keyboard.press('/');
    await page.keyboard.type('uninstall');
    await found.first().waitFor();
    expect(await found.first().textContent()).toContain('Uninstall');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/how-to\/uninstall\.html$/);
    expect(faults).toEqual([]);
    await context.close();
  });

  test('looks for all words, in any order, case and accent, and marks them', async () => {
    const { context, page, found } = await opened('index.html');
    await page.locator('.search input').fill('SÉCRET  token');
    await found.first().waitFor();
    for (const text of await found.allTextContents()) expect(text).not.toBe('');
    expect((await page.locator('.found mark').allTextContents()).map((text) => text.toLowerCase())).toEqual(
      expect.arrayContaining(['secret', 'token']),
    );
    await context.close();
  });

  test('every result leads to a page and a heading that exist', async () => {
    const { context, page, found } = await opened('index.html');
    await page.locator('.search input').fill('approval');
    await found.first().waitFor();
    for (const one of await found.all()) {
      const link = new URL((await one.getAttribute('href')) ?? '', page.url());
      const { pathname, hash } = link;
      const html = readFileSync(decodeURIComponent(pathname), 'utf8');
      expect(hash === '' || html.includes(`id="${decodeURIComponent(hash.slice(1))}"`), link.href).toBe(true);
    }
    await context.close();
  });

  test('says that nothing was found, shows typed text as text, and Escape closes it', async () => {
    const { context, page, faults, found } = await opened('index.html');
    const input = page.locator('.search input');
    await input.fill('<img src=x onerror=alert(1)>');
    await page.getByText('Nothing found.').waitFor();
    await input.fill('quota');
    await found.first().waitFor();
    await page.keyboard.press('Escape');
    expect(await found.count()).toBe(0);
    expect(await input.inputValue()).toBe('');
    expect(faults).toEqual([]);
    await context.close();
  });

  test('is not there where no script runs', async () => {
    const { context, page } = await opened('index.html', { javaScriptEnabled: false });
    expect(await page.locator('.search').isVisible()).toBe(false);
    await context.close();
  });

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
  ] as const)('axe finds no violation with its results open: %s, %i px', async (colorScheme, width) => {
    const { context, page, found } = await opened('how-to/token.html', { colorScheme, bypassCSP: true, viewport: { width, height: 844 } });
    await page.locator('.search input').fill('console');
    await found.first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')).toBe(0);
    expect(await axeFaults(page)).toEqual([]);
    await context.close();
  });
});

test('on paper a page is its text: no menu, no search, dark or not, and no code is cut off', async () => {
  const context = await browser.newContext({ viewport: { width: 780, height: 1000 }, colorScheme: 'dark' });
  const { page } = await openPage(context);
  await page.goto(urlOf('how-to/token.html'));
  await page.emulateMedia({ media: 'print' });
  expect(await page.locator('header, .menu, .side, .contents').filter({ visible: true }).count()).toBe(0);
  expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
  expect(await page.evaluate('[...document.querySelectorAll("pre")].filter((one) => one.scrollWidth > one.clientWidth).length')).toBe(0);
  await context.close();
});
