import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, openPage } from './browser.ts';

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
