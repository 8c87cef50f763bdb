import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadAssets } from '../../src/console/assets.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import { approval, type Open, openConsolePlace } from '../console/place.ts';
import { launch, openVisitor, type Visitor } from './browser.ts';

let browser: Browser;
let visitor: Visitor;
let open: Open;
beforeAll(async () => {
  browser = await launch();
  visitor = await openVisitor(browser, { timezoneId: 'Europe/Berlin' });
}, 60_000);
afterAll(() => browser?.close());
beforeEach(async () => {
  open = await openConsolePlace({ assets: loadAssets() });
});
afterEach(() => open.close());

const stop: ApprovalRecord = {
  ...approval,
  effect: 'disrupt',
  principal: 'local:1000',
  owner: 'alice',
  plan: {
    ...approval.plan,
    effect: 'disrupt',
    warnings: [],
    before: { status: 'running', lock: 'backup' },
    after: { status: 'stopped' },
    undo: 'start_vm {"vmid": 105}',
  },
};

test('a plan without a warning has no panel of warnings, and its changes are neither good nor bad', async () => {
  open.engine.pending = [stop];
  await visitor.enter(open);
  const { page } = visitor;
  await page.getByRole('heading', { name: 'Undo' }).waitFor();
  expect(await page.locator('.risks').count()).toBe(0);
  expect(await page.locator('.undo code').textContent()).toBe('start_vm {"vmid": 105}');
  expect(await page.locator('.diff ins, .diff del, .diff .gone').count()).toBe(0);
  expect(await page.locator('.diff tbody tr > *').allTextContents()).toEqual(['status', 'running', 'stopped', 'lock', 'backup', 'gone']);
}, 60_000);

test('what is destroyed stands out, and its warnings do', async () => {
  open.engine.pending = [approval];
  await visitor.enter(open);
  const { page } = visitor;
  expect(await page.locator('.risks.bad li').allTextContents()).toEqual(['2 snapshots go with it']);
  expect(await page.locator('.diff .gone').allTextContents()).toEqual(['gone']);
}, 60_000);

test('times have their zone, and the requester and the transport are words', async () => {
  open.engine.pending = [stop];
  await visitor.enter(open);
  const { page } = visitor;
  await page.getByText(/^requested .*11:00(:00)? CET$/).waitFor();
  expect(await page.locator('.asked').textContent()).toContain('23 Nov 2026, 11:00:00 CET');
  expect(await page.locator('.asked').textContent()).toContain('local user 1000 (of alice)');
  expect(await page.locator('.asked').textContent()).toContain('an MCP client on the computer of the server');
  expect(await page.locator('.asked').textContent()).not.toMatch(/local:1000|stdio/);
}, 60_000);

test('the wrong text is said to be wrong until the denial is opened, where Enter denies nothing and says so', async () => {
  open.engine.pending = [stop];
  await visitor.enter(open);
  const { page } = visitor;
  await page.getByLabel('To approve, type').fill('web2');
  await page.getByLabel('To approve, type').press('Enter');
  await page.locator('.decide .message').getByText('This is not the text to type. Nothing was approved.').waitFor();
  await page.getByRole('button', { name: 'Deny…' }).click();
  expect(await page.locator('.decide .message').textContent()).toBe('');
  await page.getByLabel('Reason (optional).').press('Enter');
  await page.locator('.decide .message').getByText('Enter does not deny. Use the button.').waitFor();
  expect(open.engine.calls).toEqual([]);
}, 60_000);

test('an empty page says how to see a request in the demo, and a login page names the product', async () => {
  const { page } = visitor;
  await visitor.visit(open.origin);
  await page.getByRole('heading', { level: 1, name: 'proxmox-mcp console' }).waitFor();
  await visitor.enter(open);
  await page.getByText(`proxmox-mcp call stop_vm --demo --args '{"vmid":101}'`).waitFor();
}, 60_000);

test('a lost connection names no command that a remote approver never started', async () => {
  await visitor.enter(open);
  const { page } = visitor;
  await open.close();
  const lost = page.locator('.banner .notice');
  await lost.waitFor();
  expect(await lost.textContent()).toContain('Check that the server of this page runs and can be reached.');
  expect(await lost.textContent()).not.toContain('`');
  open = await openConsolePlace();
}, 60_000);
