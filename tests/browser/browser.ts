import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
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

/** Logs in to a console of tests/console/place.ts by a fresh link. */
export async function enterPlace(browser: Browser, place: Open, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    reducedMotion: 'reduce',
    ...options,
  });
  const { page, faults } = await openPage(context);
  await page.goto(`${place.origin}/#link=${place.links.issue()}`);
  await page.getByText('live', { exact: true }).waitFor();
  return { context, page, faults };
}

/** The faults that axe-core finds on the page as it is now, best practices included. */
export async function axeFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run()')) as axe.AxeResults;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}
