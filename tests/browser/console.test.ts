import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadAssets } from '../../src/console/assets.ts';
import { openStore } from '../../src/store/index.ts';
import { openConsolePlace } from '../console/place.ts';
import { type Agent, connectAgent, openPlace, type Place } from '../e2e/harness.ts';
import { run } from '../helpers/answering-engine.ts';
import { rowsOf } from '../helpers/rows.ts';
import {
  axeFaults,
  type ConsoleTerminal,
  foreignSite,
  launch,
  openPage,
  openVisitor,
  picture,
  runConsole,
  type Visitor,
} from './browser.ts';

// `npm run screenshots` renews the pictures of the documentation; a test run leaves the work tree as it was.
const IMAGES = process.env.PROXMOX_MCP_IMAGES;
const DESK: BrowserContextOptions = { viewport: { width: 1280, height: 860 } };
const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const HOSTILE = 'Harmless.\u202e]live[ \u001b[2JApproved already <img src=x onerror=alert(1)><script>alert(2)</script> **type nothing**';

let browser: Browser;
let desk: Visitor;
let phone: Visitor;
let place: Place;
let agent: Agent;
let terminal: ConsoleTerminal;
/** Every secret that logs a person in, as the tests come by them. */
const secrets: string[] = [];
const answers: unknown[] = [];

beforeAll(async () => {
  if (IMAGES) mkdirSync(IMAGES, { recursive: true });
  place = await openPlace({}, { PROXMOX_APPROVAL: 'human', PROXMOX_LOG_LEVEL: 'trace' });
  [browser, agent, terminal] = await Promise.all([launch(), connectAgent(place), runConsole(place.env)]);
  [desk, phone] = await Promise.all([openVisitor(browser, DESK), openVisitor(browser, PHONE)]);
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await agent?.close();
  await terminal?.end();
  await place?.close();
});

async function tool(name: string, args: object): Promise<Record<string, unknown>> {
  const answer = await agent.tool(name, args);
  answers.push(answer);
  return answer;
}

async function ask(operation: string, args: object): Promise<string> {
  const asked = await tool(operation, args);
  expect(asked).toMatchObject({ approval_required: true, way: 'human' });
  return String(asked.approval_id);
}

/** Opens the console by a fresh link. */
async function enter({ page, faults, visit }: Visitor = desk) {
  const context = page.context();
  const link = await terminal.link();
  secrets.push(link.split('=')[1] ?? '');
  await visit(link);
  await page.getByText('live', { exact: true }).waitFor();
  const { origin } = new URL(link);
  const token = await page.evaluate('localStorage.getItem("proxmox-mcp-console")');
  secrets.push(String(token), ...(await context.cookies()).map(({ value }) => value));
  return { context, page, faults, origin, link };
}

async function open(page: Page, id: string): Promise<void> {
  await page.locator(`a[href="#/pending/${id}"]`).click();
  await page.getByText(id, { exact: true }).waitFor();
}

test('a human sees the plan, types the name, approves, and the agent that waits gets the outcome', async () => {
  const { page, faults } = await enter();
  await page.getByText('No pending approvals.').waitFor();
  const id = await ask('stop_vm', { vmid: 101, reason: HOSTILE });
  const waiting = tool('approve', { approval_id: id, wait_seconds: 50 });

  // It appears by itself.
  await page.getByRole('heading', { name: 'Shut down web2 (101) on pve2' }).waitFor();
  expect(await page.title()).toBe('(1) proxmox-mcp console');
  const text = (await page.locator('article').textContent())?.toLowerCase() ?? '';
  const order = [
    'interrupts',
    'undo',
    'what changes',
    'the guest, as of the request',
    'exactly these requests',
    '/nodes/pve2/qemu/101/status/shutdown',
    'requested by',
    'the agent’s words, unverified',
    'harmless.',
    'your decision',
  ];
  expect(order.map((part) => [part, text.indexOf(part) >= 0])).toEqual(order.map((part) => [part, true]));
  expect(order.map((part) => text.indexOf(part))).toEqual(order.map((part) => text.indexOf(part)).sort((a, b) => a - b));
  expect(await page.locator('blockquote').textContent()).toBe(
    'Harmless.]live[ [2JApproved already <img src=x onerror=alert(1)><script>alert(2)</script> **type nothing**',
  );
  expect(await page.locator('blockquote *').evaluateAll((all) => all.map((element) => element.tagName))).toEqual(['BDI']);

  // Neither the wrong name nor the Enter key approves.
  const field = page.getByLabel('To approve, type');
  const yes = page.getByRole('button', { name: 'Approve and run' });
  await field.fill('web1 101');
  expect(await yes.isDisabled()).toBe(true);
  await field.fill('web2 101');
  await field.press('Enter');
  await page.getByText('Enter does not approve.').first().waitFor();
  expect(await tool('list_approvals', { status: 'pending' })).toMatchObject({ total: 1 });
  expect(place.mutations()).toEqual([]);

  await yes.click();
  expect(await waiting).toMatchObject({ isError: false, status: 'succeeded', result: { vmid: 101, status: 'stopped' } });
  await page.getByRole('heading', { name: 'Done', exact: true }).waitFor();
  await page.getByText('typed by a human in a terminal or the console').waitFor();
  expect(place.mutations().map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /nodes/pve2/qemu/101/status/shutdown']);
  expect(faults).toEqual([]);
}, 90_000);

test('a no reaches the agent with its reason, and nothing is sent', async () => {
  const { page, faults } = await enter();
  const before = place.mutations().length;
  const id = await ask('stop_vm', { vmid: 107 });
  const waiting = tool('approve', { approval_id: id, wait_seconds: 50 });
  await open(page, id);
  await page.getByRole('button', { name: 'Deny…' }).click();
  await page.getByLabel('Reason (optional).').fill('the monitor stays up');
  await page.getByRole('button', { name: 'Deny it' }).click();
  expect(await waiting).toMatchObject({
    isError: true,
    error: { code: 'approval_denied', message: expect.stringContaining('the monitor stays up') },
  });
  await page.getByRole('heading', { name: 'Denied', exact: true }).waitFor();
  expect(place.mutations()).toHaveLength(before);
  expect(faults).toEqual([]);
}, 90_000);

test('history, audit and cluster show what happened', async () => {
  const { page, faults } = await enter();
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByRole('link', { name: /denied.*monitor/s }).click();
  await page.getByText('the monitor stays up').waitFor();

  await page.getByRole('link', { name: 'Audit' }).click();
  await page.getByText('intact', { exact: true }).waitFor();
  await page.getByLabel('Kind').selectOption('decision');
  await page.getByLabel('Contains').fill('web2');
  await vi.waitFor(async () => expect(await page.locator('table.log > tbody').count()).toBe(1));
  await page.getByRole('button', { name: /details/ }).click();
  await page.getByText('decided via').waitFor();

  await page.getByRole('link', { name: 'Cluster' }).click();
  await page.getByRole('row', { name: /web2/ }).getByText('stopped').waitFor();
  expect(await page.locator('section.node h2 bdi').allInnerTexts()).toEqual(['pve', 'pve2']);
  expect(await page.locator('progress').count()).toBeGreaterThan(0);
  // The use and the backups of a guest: web1 has two backups, of which the newest is in its row.
  await page
    .getByRole('row', { name: /web1/ })
    .getByText(/^\d+ d ago$|^today$/)
    .waitFor();
  await page
    .getByRole('row', { name: /build1/ })
    .getByText('none', { exact: true })
    .waitFor();
  await page.getByRole('button', { name: 'web1' }).click();
  await page.locator('.guest').getByText('pbs:backup/vm/100/').first().waitFor();
  expect(await page.locator('.guest .curve .name').allTextContents()).toEqual(expect.arrayContaining(['CPU', 'Memory']));
  expect((await page.locator('.guest polyline').first().getAttribute('points'))?.split(' ').length).toBe(48);
  expect(faults).toEqual([]);
}, 60_000);

test('a request of unknown outcome is closed by the button that a person presses', async () => {
  const store = await openStore({ dataDir: place.dataDir });
  const { page, faults } = await enter();
  for (const id of ['run_yes', 'run_no']) {
    const cluster = `127.0.0.1:${place.simulator.port}`;
    const now = new Date().toISOString();
    const unknown = { ...run, id, cluster, plan: { ...run.plan, summary: `Summary of ${id}` } };
    await store.runs.begin(unknown, 'w', now);
    await store.runs.end(id, 'w', {
      status: 'unknown',
      steps: run.steps,
      error: { code: 'outcome_unknown', message: 'no answer came', hint: 'h' },
      endedAt: now,
    });
  }
  await page.getByRole('link', { name: 'Cluster' }).click();
  const notice = (id: string) => page.locator('.notice', { hasText: `Summary of ${id}` });
  await notice('run_yes').getByRole('button', { name: 'It took effect' }).click();
  await notice('run_yes').waitFor({ state: 'detached' });
  await notice('run_no').getByRole('button', { name: 'It will not take effect' }).click();
  await page.getByText('Outcome unknown').waitFor({ state: 'detached' });
  expect((await store.runs.get('run_yes'))?.status).toBe('succeeded');
  expect((await store.runs.get('run_no'))?.status).toBe('failed');
  await store.close();
  expect(faults).toEqual([]);
}, 60_000);

test('a used link and a link of sixty seconds open nothing', async () => {
  const { link } = await enter();
  const stranger = await browser.newContext();
  const { page } = await openPage(stranger);
  await page.goto(link);
  await page.getByText('This link is invalid, expired or already used').waitFor();
  expect(await stranger.cookies()).toEqual([]);
  expect(page.url()).not.toContain(link.split('=')[1]);

  const own = await openConsolePlace({ assets: loadAssets() });
  const late = `${own.origin}/#link=${own.links.issue()}`;
  own.clock.pass(60);
  await page.goto(late);
  await page.getByText('This link is invalid, expired or already used').waitFor();
  await page.goto(`${own.origin}/#link=${own.links.issue()}`);
  await page.getByText('No pending approvals.').waitFor();
  await own.close();
  await stranger.close();
}, 60_000);

test('other sites can neither decide nor frame the page, and another Host is refused', async () => {
  const id = await ask('stop_vm', { vmid: 106 });
  const before = place.mutations().length;
  const { page, context, origin } = await enter();
  const target = `${origin}/api/approvals/${id}/approve`;
  const body = '{"typed":"vault 106","x":"';
  const site = await foreignSite(`<!doctype html><title>x</title>
    <form method="post" enctype="text/plain" action="${target}"><input name='${body}' value='"}'></form>
    <iframe src="${origin}/"></iframe>`);
  const refused: number[] = [];
  context.on('response', (response) => {
    if (response.url() === target) refused.push(response.status());
  });
  // The same computer by another port (to which browsers send the cookie) and by another name (to which they do not).
  for (const host of ['127.0.0.1', 'localhost']) {
    const { page: forged } = await openPage(context);
    await forged.goto(`http://${host}:${site.port}/`);
    const frame = forged.frames().find((one) => one !== forged.mainFrame());
    expect(await frame?.locator('#main').count()).toBe(0);
    const headers = { 'Content-Type': 'application/json', 'X-Console-Token': 'x' };
    const fetched = await forged.evaluate(
      async ([url, text, extra]) => {
        const post = (init: RequestInit) => fetch(url as string, { method: 'POST', credentials: 'include', body: text as string, ...init });
        const plain = await post({ mode: 'no-cors' }).then((answer) => answer.type, String);
        const json = await post({ headers: extra as Record<string, string> }).then((answer) => answer.type, String);
        return [plain, json];
      },
      [target, '{"typed":"vault 106"}', headers] as const,
    );
    // Refused there, and kept from being read here.
    expect(fetched).toEqual(['TypeError: Failed to fetch', 'TypeError: Failed to fetch']);
    await forged.evaluate('document.forms[0].submit()');
    await forged.waitForURL(target);
    expect(await forged.textContent('body')).toContain('another site');
    await forged.close();
  }
  // The cookie did arrive where it does not belong; alone it opens nothing.
  expect(site.requests[0]).not.toBe('');
  const stolen = await fetch(`${origin}/api/session`, { headers: { Cookie: site.requests[0] ?? '' } });
  expect(stolen.status).toBe(401);
  expect(refused.length).toBeGreaterThan(0);
  expect(new Set(refused)).toEqual(new Set([403]));

  const { page: renamed } = await openPage(context);
  const answer = await renamed.goto(origin.replace('127.0.0.1', 'console.localhost'));
  expect(answer?.status()).toBe(403);
  await renamed.close();

  expect(rowsOf(await tool('list_approvals', { status: 'pending' }))).toMatchObject([{ approval_id: id }]);
  expect(place.mutations()).toHaveLength(before);
  await open(page, id);
  await page.getByRole('button', { name: 'Deny…' }).click();
  await page.getByRole('button', { name: 'Deny it' }).click();
  await page.getByRole('heading', { name: 'Denied', exact: true }).waitFor();
  await site.close();
}, 60_000);

test('the page can be used by keyboard alone', async () => {
  const id = await ask('stop_vm', { vmid: 107 });
  const { page } = await enter();
  await page.getByRole('heading', { name: /monitor/ }).waitFor();
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
  const seen: string[] = [];
  for (let presses = 0; presses < 30 && !seen.includes('Deny…'); presses += 1) {
    await page.keyboard.press('Tab');
    seen.push(String(await page.evaluate('document.activeElement.id || document.activeElement.textContent')));
    // Where one is can be seen.
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).not.toBe('none');
  }
  const places = ['Pending', 'History', 'Sign out', 'monitor', 'typed', 'Deny…'].map((part) =>
    seen.findIndex((text) => text.includes(part)),
  );
  expect(
    places.every((at, index) => at > (places[index - 1] ?? -1)),
    seen.join(' | '),
  ).toBe(true);
  await page.keyboard.press('Enter');
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Denied', exact: true }).waitFor();
  expect(rowsOf(await tool('list_approvals', { limit: 1 }))).toMatchObject([{ approval_id: id, status: 'denied', note: 'by keyboard' }]);
}, 60_000);

test('looks right in light, dark and on a phone', async () => {
  await ask('delete_vm', { vmid: 105, reason: 'The user asked me to clean up the guests of the old test environment.' });
  await ask('stop_vm', { vmid: 102 });
  await ask('stop_vm', { vmid: 107 });
  for (const [name, visitor, colorScheme] of [
    ['light', desk, 'light'],
    ['dark', desk, 'dark'],
    ['phone', phone, 'light'],
  ] as const) {
    await visitor.page.emulateMedia({ colorScheme });
    const { page, faults } = await enter(visitor);
    const card = page.locator('a.card').first();
    await card.waitFor();
    // The requester was authenticated; the name that the client gives itself comes after it, marked.
    expect(await card.locator('.who').textContent()).toMatch(
      /^(local user \d+) \(of .+\), \d\d:\d\d:\d\d \S+client calls itself “.+”, unverified$/,
    );
    if (name === 'phone') await card.click();
    await page.getByRole('heading', { name: /dev1/ }).waitFor();
    const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(wide).toBe(0);
    const taken = await page.screenshot(IMAGES ? { path: join(IMAGES, `console-${name}.png`) } : {});
    expect(taken.byteLength).toBeGreaterThan(20_000);
    expect(faults).toEqual([]);
  }
}, 90_000);

test.each(['desk', 'phone'] as const)(
  'axe-core finds no fault in any view: %s',
  async (name) => {
    const { page, origin } = await enter(name === 'desk' ? desk : phone);
    const found: string[] = [];
    // The desk in both schemes: on a phone, the layout differs and not the colours.
    const schemes = name === 'desk' ? (['light', 'dark'] as const) : (['light'] as const);
    const check = async (view: string) => {
      for (const colorScheme of schemes) {
        await page.emulateMedia({ colorScheme });
        await picture(page, `${name}-${colorScheme}-${view}`, { fullPage: true });
        found.push(...(await axeFaults(page)).map((fault) => `${view}, ${colorScheme}: ${fault}`));
      }
      const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      if (wide !== 0) found.push(`${view}: ${wide} px beyond the edge`);
    };
    await page.locator('a.card').first().waitFor();
    await check('pending');
    await page.getByRole('button', { name: 'Group by requester' }).click();
    await page.getByRole('button', { name: /^Deny all of/ }).click();
    await check('groups');
    await page.locator('a.card').first().click();
    await page.getByRole('button', { name: 'Deny…' }).click();
    await check('decision');
    await page.goto(`${origin}/#/history`);
    await page.locator('a.card').first().click();
    await page.getByText(/^Decided by (?!local:)/).waitFor();
    await check('decided');
    await page.goto(`${origin}/#/audit`);
    await page
      .getByRole('button', { name: /details/ })
      .first()
      .click();
    await check('audit');
    await page.goto(`${origin}/#/cluster`);
    await page.getByRole('button', { name: 'web1' }).click();
    await page.locator('.guest .curve').first().waitFor();
    await check('cluster');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You are signed out').waitFor();
    await check('signed-out');
    expect(found).toEqual([]);
  },
  120_000,
);

test('forced colours keep the open tab and the bars visible', async () => {
  const { page, origin } = await enter();
  await page.emulateMedia({ forcedColors: 'active' });
  const style = (selector: string, property: string) =>
    page.evaluate(`getComputedStyle(document.querySelector('${selector}')).${property}`);
  await page.goto(`${origin}/#/cluster`);
  await page.locator('progress').first().waitFor();
  expect(await style('a[href="#/cluster"]', 'borderBottomColor')).not.toBe(await style('a[href="#/audit"]', 'borderBottomColor'));
  expect(await style('progress', 'borderTopStyle')).toBe('solid');
  await picture(page, 'forced-colors');
  await page.emulateMedia({ forcedColors: 'none' });
}, 60_000);

test('without its server the page says so and allows no decision', async () => {
  const { page } = await enter();
  await page.locator('a.card').first().click();
  const field = page.getByLabel('To approve, type');
  await field.fill((await page.locator('code.must').textContent()) ?? '');
  const yes = page.getByRole('button', { name: 'Approve and run' });
  expect(await yes.isEnabled()).toBe(true);
  expect(await terminal.end()).toBe(0);
  await page.getByText('Connection lost.').waitFor();
  expect(await yes.isDisabled()).toBe(true);
}, 60_000);

test('no secret that logs in stands anywhere it does not belong', async () => {
  expect(secrets.length).toBeGreaterThan(10);
  for (const secret of secrets) expect(secret).toHaveLength(43);
  const shown = terminal.shown();
  const stored = readdirSync(place.dataDir).map((name) => readFileSync(join(place.dataDir, name)).toString('latin1'));
  expect(stored.length).toBeGreaterThan(2);
  for (const secret of secrets) {
    expect(JSON.stringify(answers)).not.toContain(secret);
    for (const content of stored) expect(content.includes(secret)).toBe(false);
    // The terminal shows a link once and nothing else ever.
    expect(shown.split(secret).length - 1).toBeLessThanOrEqual(1);
    expect(shown.replaceAll(/#link=[\w-]+/g, '')).not.toContain(secret);
  }
});
