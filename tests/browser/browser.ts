import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type axe from 'axe-core';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
  type PageScreenshotOptions,
} from 'playwright-core';
import { expect, vi } from 'vitest';
import type { Open } from '../console/place.ts';
import { binary } from '../helpers/binary.ts';

/** Chromium from the distribution, without a network of its own. */
export function launch(): Promise<Browser> {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error('Chromium is missing: apt-get install chromium');
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** How a person at a desk sees the console. */
const DESK: BrowserContextOptions = { viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' };

/** A page that remembers what went wrong in it. */
export async function openPage(context: BrowserContext): Promise<{ page: Page; faults: string[] }> {
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, faults };
}

export interface ConsoleTerminal {
  /** Everything the terminal showed. */
  shown(): string;
  /** Presses Enter when it is not the first, and reads the link that appears. */
  link(): Promise<string>;
  end(): Promise<number | null>;
}

/** The shipped `proxmox-mcp console` in a terminal, as its operator sees it; `script` gives it the terminal. */
export async function runConsole(env: Record<string, string>): Promise<ConsoleTerminal> {
  const command = `exec '${process.execPath}' '${binary()}' console`;
  const child: ChildProcess = spawn('script', ['--quiet', '--flush', '--return', '--command', command, '/dev/null'], {
    env: { ...env, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout?.on('data', (chunk) => {
    shown += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const links = () => [...shown.matchAll(/http:\/\/127\.0\.0\.1:\d+\/#link=[\w-]{43}/g)].map(([link]) => link);
  let used = 0;
  return {
    shown: () => shown,
    async link() {
      if (used > 0) child.stdin?.write('\r');
      await vi.waitFor(() => expect(links().length, shown).toBeGreaterThan(used), 10_000);
      used = links().length;
      return links().at(-1) ?? '';
    },
    end() {
      // What Ctrl-C sends.
      child.stdin?.write('\u0003');
      return ended;
    },
  };
}

/** A page of another program, on its own port of this computer. */
export async function foreignSite(html: string): Promise<{ port: number; requests: string[]; close: () => Promise<void> }> {
  const requests: string[] = [];
  const server = createServer((incoming, outgoing) => {
    requests.push(incoming.headers.cookie ?? '');
    outgoing.writeHead(200, { 'Content-Type': 'text/html' }).end(html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface Visitor {
  page: Page;
  /** What went wrong since the last visit began. */
  faults: string[];
  /** Opens an address as a browser that has never been here: without a cookie or stored value, in a fresh document. */
  visit(url: string): Promise<void>;
  /** Logs in to a console of tests/console/place.ts by a fresh link, in a window of this size (default: that of the visitor). */
  enter(place: Open, viewport?: { width: number; height: number }): Promise<void>;
}

/** One page for all tests of a file. A page of its own costs Chromium about half a second of CPU time, another visit a tenth. */
export async function openVisitor(browser: Browser, options: BrowserContextOptions = {}): Promise<Visitor> {
  const all = { ...DESK, ...options };
  const context = await browser.newContext(all);
  const { page, faults } = await openPage(context);
  const visit = async (url: string) => {
    if (page.url().startsWith('http:')) await page.evaluate('localStorage.clear()');
    await page.goto('about:blank');
    await context.clearCookies();
    faults.length = 0;
    await page.goto(url);
  };
  return {
    page,
    faults,
    visit,
    async enter(place, viewport) {
      await page.setViewportSize(viewport ?? all.viewport ?? { width: 1280, height: 800 });
      await visit(`${place.origin}/#link=${place.links.issue()}`);
      await page.getByText('live', { exact: true }).waitFor();
    },
  };
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** The faults that axe-core finds on the page as it is now, best practices included. */
export async function axeFaults(page: Page): Promise<string[]> {
  // By evaluation, because the policy of the pages loads no foreign script; once for each document.
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(readFileSync(AXE, 'utf8'));
  const violations = (await page.evaluate(
    'axe.run({ resultTypes: ["violations"] }).then((found) => found.violations)',
  )) as axe.AxeResults['violations'];
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}

/** Keeps a picture of the page in the folder that PROXMOX_MCP_IMAGES names; without one, none is taken. */
export async function picture(page: Page, name: string, options: PageScreenshotOptions = {}): Promise<void> {
  const folder = process.env.PROXMOX_MCP_IMAGES;
  if (folder) await page.screenshot({ ...options, path: join(folder, `${name}.png`) });
}
