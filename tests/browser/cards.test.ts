import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPlace, type Place } from '../e2e/harness.ts';
import { binary } from '../helpers/binary.ts';
import { launch, openVisitor, picture, type Visitor } from './browser.ts';
import { openCardHost } from './card-host.ts';

const DESK = { viewport: { width: 760, height: 900 }, locale: 'en-GB' };
const HOSTILE = '<img src=x onerror=alert(1)></style><script>alert(2)</script>"\u202egnp.lla-eteled';
const RESULT = 'ui/notifications/tool-result';

type Answer = Record<string, unknown> & { columns: string[]; rows: unknown[][]; plan: Record<string, unknown> };

let browser: Browser;
let visitor: Visitor;
let place: Place;
let client: Client;
/** The card and the answers, as the shipped binary gives them to a client that shows cards. */
let html: string;
let guests: Answer;
let asked: Answer;

beforeAll(async () => {
  place = await openPlace({}, { PROXMOX_APPROVAL: 'human', PROXMOX_CARD_CLIENTS: 'Card Host' });
  const capabilities = { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } } };
  client = new Client({ name: 'Card Host', version: '1' }, { capabilities });
  const transport = new StdioClientTransport({ command: process.execPath, args: [binary(), 'stdio'], env: place.env, stderr: 'ignore' });
  [browser] = await Promise.all([launch(), client.connect(transport)]);
  visitor = await openVisitor(browser, DESK);
  const { tools } = await client.listTools();
  const meta = tools.find(({ name }) => name === 'stop_vm')?._meta as { ui?: { resourceUri: string } } | undefined;
  html = ((await client.readResource({ uri: meta?.ui?.resourceUri ?? '' })).contents[0] as { text: string }).text;
  const answer = async (name: string, args: object) =>
    (await client.callTool({ name, arguments: args as Record<string, unknown> })).structuredContent as Answer;
  guests = await answer('list_vms', {});
  asked = await answer('stop_vm', { vmid: 103 });
}, 90_000);
afterAll(async () => {
  await client?.close();
  await browser?.close();
  await place?.close();
});

async function host(theme: 'light' | 'dark', capabilities: object = { openLinks: {} }) {
  await visitor.page.setViewportSize(DESK.viewport);
  return openCardHost(visitor, html, { theme }, capabilities);
}
const result = (structuredContent: object) => ({ content: [{ type: 'text', text: '' }], structuredContent });

test.each(['light', 'dark'] as const)('the approval card shows the plan and hostile names as text, %s', async (theme) => {
  const { page, card, faults, tell, sent } = await host(theme);
  const plan = { ...asked.plan, warnings: [HOSTILE, 'Two users are logged in.'], before: { name: HOSTILE }, after: { name: 'x' } };
  await tell(
    RESULT,
    result({ ...asked, summary: `Shut down ${HOSTILE} (103) on pve`, plan, decide_at: 'https://mcp.example.org/console/' }),
  );
  await card.getByRole('heading', { level: 1 }).waitFor();
  // Neither markup nor a character that turns the text around it.
  const heading = `Shut down ${HOSTILE.replace('\u202e', '')} (103) on pve`;
  expect(await card.getByRole('heading', { level: 1 }).textContent()).toBe(heading);
  for (const part of ['Interrupts', 'Risks', 'Two users are logged in.', 'What changes', 'Undo', 'This card decides nothing.'])
    expect(await card.getByText(part).count(), part).toBeGreaterThan(0);
  expect(await card.getByText(/expires in \d+:\d\d/).count()).toBeGreaterThan(0);
  expect(await card.locator('img, script:not([type=module]), a, form, input, iframe').count()).toBe(0);
  await picture(page, `card-approval-${theme}`);

  // Its only button opens the console, at this approval.
  expect(await card.getByRole('button').count()).toBe(1);
  await card.getByRole('button', { name: 'Open the console' }).click();
  await page.waitForFunction('window.sent.some(({ method }) => method === "ui/open-link")');
  const said = await sent();
  const url = `https://mcp.example.org/console/#/pending/${asked.approval_id}`;
  expect(said.filter(({ method }) => method === 'ui/open-link').map(({ params }) => params)).toEqual([{ url }]);
  const methods = ['ui/initialize', 'ui/notifications/initialized', 'ui/notifications/size-changed', 'ui/open-link'];
  expect([...new Set(said.map(({ method }) => method))].sort()).toEqual(methods);
  expect(faults).toEqual([]);
});

test.each(['light', 'dark'] as const)('the table of guests is sorted by its headings, %s', async (theme) => {
  const { page, card, faults, tell } = await host(theme);
  const rows = guests.rows.map((row, index) =>
    index === 0 ? row.map((value, at) => (guests.columns[at] === 'name' ? HOSTILE : value)) : row,
  );
  await tell(RESULT, result({ ...guests, rows }));
  await card.getByRole('table').waitFor();
  const column = async (name: string) => {
    const at = guests.columns.indexOf(name) + 1;
    return card.locator(`tbody td:nth-child(${at})`).allTextContents();
  };
  expect((await column('name')).filter((name) => name.includes('<script>'))).toHaveLength(1);
  const vmids = (await column('vmid')).map(Number);
  await card.getByRole('button', { name: 'VMID' }).click();
  expect((await column('vmid')).map(Number)).toEqual(vmids.toSorted((a, b) => a - b));
  await card.getByRole('button', { name: 'VMID' }).click();
  expect((await column('vmid')).map(Number)).toEqual(vmids.toSorted((a, b) => b - a));
  expect(await card.locator('th[aria-sort]').getAttribute('aria-sort')).toBe('descending');
  // Guests without a figure stand last in either order.
  for (const _order of ['ascending', 'descending']) {
    await card.getByRole('button', { name: 'Memory used' }).click();
    const used = await column('memory_used_mb');
    expect(used).toContain('');
    expect(used.slice(used.indexOf('')).join('')).toBe('');
  }
  await picture(page, `card-guests-${theme}`);
  const heads = await card.locator('thead th').evaluateAll((all) => all.map((head) => head.clientHeight));
  expect(new Set(heads).size, 'no heading is cut into lines').toBe(1);
  await page.setViewportSize({ width: 390, height: 700 });
  expect(await card.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'wide tables scroll inside of the card').toBe(true);
  await picture(page, `card-guests-${theme}-phone`);
  expect(await page.evaluate('document.querySelector("iframe").clientHeight >= 200')).toBe(true);
  expect(faults).toEqual([]);
});

test('a card follows the theme of its host, shows an address that it cannot open, and answers when it ends', async () => {
  const { card, faults, tell, sent } = await host('light', {});
  const colour = () => card.evaluate('getComputedStyle(document.querySelector(".card")).backgroundColor');
  await tell(RESULT, result({ ...asked, decide_at: 'https://mcp.example.org/console/' }));
  await card.getByText(`https://mcp.example.org/console/#/pending/${asked.approval_id}`).waitFor();
  expect(await card.getByRole('button').count()).toBe(0);
  const light = await colour();
  await tell('ui/notifications/host-context-changed', { theme: 'dark' });
  await expect.poll(colour).not.toBe(light);
  await tell('ui/resource-teardown', {}, 77);
  await expect.poll(async () => (await sent()).find(({ id }) => id === 77)).toEqual({ jsonrpc: '2.0', id: 77, result: {} });
  expect(faults).toEqual([]);
});

test.each(['javascript:alert(1)', 'file:///etc/passwd', 'data:text/html,x', 7])('a card offers no link to %s', async (address) => {
  const { card, faults, tell } = await host('light');
  await tell(RESULT, result({ ...asked, decide_at: address }));
  await card.getByRole('heading', { level: 1 }).waitFor();
  expect(await card.getByRole('button').count()).toBe(0);
  expect(faults).toEqual([]);
});

test('a card passes no message of other windows on, and has the shipped page’s own policy', async () => {
  const { card, tell, faults } = await host('light');
  await tell(RESULT, result(asked));
  await card.getByRole('heading', { level: 1 }).waitFor();
  const shown = await card.getByRole('heading', { level: 1 }).textContent();
  await card.evaluate(
    `window.postMessage({ jsonrpc: '2.0', method: '${RESULT}', params: { structuredContent: { summary: 'forged' } } }, '*')`,
  );
  await card.evaluate('new Promise((resolve) => setTimeout(resolve, 50))');
  expect(await card.getByRole('heading', { level: 1 }).textContent()).toBe(shown);
  expect(readFileSync(join(binary(), '../card.html'), 'utf8')).toBe(html);
  expect(faults).toEqual([]);
});
