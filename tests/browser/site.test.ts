import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { axeFaults, launch, openVisitor, type Visitor } from './browser.ts';

const DESK = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };
const folder = mkdtempSync(join(tmpdir(), 'site-pages-'));
let browser: Browser;
let visitor: Visitor;
let page: Page;
let faults: string[];

beforeAll(async () => {
  execFileSync(process.execPath, [join(import.meta.dirname, '../../scripts/site/index.mjs'), folder]);
  browser = await launch();
  visitor = await openVisitor(browser);
  ({ page, faults } = visitor);
});
beforeEach(async () => {
  await page.setViewportSize(DESK);
  await page.emulateMedia({ colorScheme: 'light', media: 'screen' });
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const urlOf = (name: string) => pathToFileURL(join(folder, name)).href;

test('every page of the site fits the width of a desk and of a phone, and loads all that it names', async () => {
  const missing: string[] = [];
  const miss = (request: Request) => missing.push(request.url());
  page.on('requestfailed', miss);
  await visitor.visit('about:blank');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'))) {
    await page.setViewportSize(DESK);
    await page.goto(urlOf(name));
    for (const size of [DESK, PHONE]) {
      await page.setViewportSize(size);
      const seen = await page.evaluate(`({
        over: document.documentElement.scrollWidth - window.innerWidth,
        headings: document.querySelectorAll('h1').length,
        pictures: [...document.images].every((image) => image.complete && image.naturalWidth > 0),
        width: window.innerWidth,
      })`);
      expect(seen, `${name}, ${size.width} px`).toEqual({ over: 0, headings: 1, pictures: true, width: size.width });
    }
  }
  page.off('requestfailed', miss);
  expect(faults).toEqual([]);
  expect(missing).toEqual([]);
});

test.each(['index.html', 'tutorial/ten-minutes.html', 'how-to/connect-a-client.html', 'configuration.html', 'explanation/comparison.html'])(
  'axe finds no violation on %s, light and dark',
  async (name) => {
    await visitor.visit(urlOf(name));
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axeFaults(page), colorScheme).toEqual([]);
    }
  },
);

test('on a phone the menu leads to a page, and a link beside a heading leads to it', async () => {
  await page.setViewportSize(PHONE);
  await visitor.visit(urlOf('index.html'));
  await page.getByText('All pages').click();
  await page.locator('.menu').getByRole('link', { name: 'Require two people' }).click();
  expect(new URL(page.url()).pathname).toMatch(/\/how-to\/two-people\.html$/);
  await page.getByRole('link', { name: 'a server for others' }).click();
  expect(await page.locator('h1').textContent()).toContain('Deployment');
});

describe('the search box', () => {
  const found = () => page.locator('.found a');

  test('finds a section of another page without a server, and its link leads there', async () => {
    await visitor.visit(urlOf('how-to/token.html'));
    await page.keyboard.press('/');
    await page.keyboard.type('uninstall');
    await found().first().waitFor();
    expect(await found().first().textContent()).toContain('Uninstall');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/how-to\/uninstall\.html$/);
    expect(faults).toEqual([]);
  });

  test('looks for all words, in any order, case and accent, and marks them', async () => {
    await visitor.visit(urlOf('index.html'));
    await page.locator('.search input').fill('SÉCRET  token');
    await found().first().waitFor();
    for (const text of await found().allTextContents()) expect(text).not.toBe('');
    expect((await page.locator('.found mark').allTextContents()).map((text) => text.toLowerCase())).toEqual(
      expect.arrayContaining(['secret', 'token']),
    );
  });

  test('every result leads to a page and a heading that exist', async () => {
    await visitor.visit(urlOf('index.html'));
    await page.locator('.search input').fill('approval');
    await found().first().waitFor();
    for (const one of await found().all()) {
      const link = new URL((await one.getAttribute('href')) ?? '', page.url());
      const { pathname, hash } = link;
      const html = readFileSync(decodeURIComponent(pathname), 'utf8');
      expect(hash === '' || html.includes(`id="${decodeURIComponent(hash.slice(1))}"`), link.href).toBe(true);
    }
  });

  test('says that nothing was found, shows typed text as text, and Escape closes it', async () => {
    await visitor.visit(urlOf('index.html'));
    const input = page.locator('.search input');
    await input.fill('<img src=x onerror=alert(1)>');
    await page.getByText('Nothing found.').waitFor();
    await input.fill('quota');
    await found().first().waitFor();
    await page.keyboard.press('Escape');
    expect(await found().count()).toBe(0);
    expect(await input.inputValue()).toBe('');
    expect(faults).toEqual([]);
  });

  test('is not there where no script runs', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const still = await context.newPage();
    await still.goto(urlOf('index.html'));
    expect(await still.locator('.search').isVisible()).toBe(false);
    await context.close();
  });

  test('axe finds no violation with its results open: light, dark, and on a phone', async () => {
    await visitor.visit(urlOf('how-to/token.html'));
    await page.locator('.search input').fill('console');
    await found().first().waitFor();
    for (const [colorScheme, size] of [
      ['light', DESK],
      ['dark', DESK],
      ['light', PHONE],
    ] as const) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      expect(await found().count()).toBeGreaterThan(0);
      expect(await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')).toBe(0);
      expect(await axeFaults(page), `${colorScheme}, ${size.width} px`).toEqual([]);
    }
  });
});

test('on paper a page is its text: no menu, no search, dark or not, and no code is cut off', async () => {
  await page.setViewportSize({ width: 780, height: 1000 });
  await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
  await visitor.visit(urlOf('how-to/token.html'));
  expect(await page.locator('header, .menu, .side, .contents').filter({ visible: true }).count()).toBe(0);
  expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
  expect(await page.evaluate('[...document.querySelectorAll("pre")].filter((one) => one.scrollWidth > one.clientWidth).length')).toBe(0);
});
