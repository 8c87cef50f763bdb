import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadAssets } from '../../src/console/assets.ts';
import { fail } from '../../src/core/errors/errors.ts';
import type { ApprovalRecord } from '../../src/core/plan/approval.ts';
import { approval, type Open, openConsolePlace, scriptedEngine } from '../console/place.ts';
import { factsOf, approval as full, several } from '../helpers/full-approval.ts';
import { launch, openVisitor, type Visitor } from './browser.ts';

let browser: Browser;
let visitor: Visitor;
let open: Open;
beforeAll(async () => {
  browser = await launch();
  visitor = await openVisitor(browser, { timezoneId: 'Europe/Berlin' });
}, 60_000);
afterAll(() => browser?.close());
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

describe('with one pending approval, or none', () => {
  beforeEach(async () => {
    open = await openConsolePlace({ assets: loadAssets() });
  });

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

  test('each destroyed part stands out, and so do its warnings', async () => {
    open.engine.pending = [approval];
    await visitor.enter(open);
    const { page } = visitor;
    expect(await page.locator('.risks.bad li').allTextContents()).toEqual(['2 snapshots go with it']);
    expect(await page.locator('.diff .gone').allTextContents()).toEqual(['gone']);
  }, 60_000);

  test.each([
    ['one guest', full],
    ['several guests', several],
  ])(
    'for %s, the page shows every fact of the view',
    async (_, asked) => {
      open.engine.pending = [asked];
      await visitor.enter(open);
      const { page } = visitor;
      await page.locator('.undo').waitFor();
      const text = await page.locator('main').evaluate((main) => main.textContent);
      // Times are in the zone of the reader.
      expect(factsOf(asked).shown.filter((fact) => !text.includes(fact))).toEqual([asked.createdAt, asked.expiresAt]);
    },
    60_000,
  );

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
});

/** 201 pending approvals of 21 agents, whose client calls itself as the approver might. */
function many(): ApprovalRecord[] {
  return Array.from({ length: 201 }, (_, n) => {
    const agent = `token:agent-${Math.floor(n / 10)}`;
    const target = { ...approval.plan.target, vmid: 1000 + n, name: `guest-${n}` } as NonNullable<ApprovalRecord['plan']['target']>;
    return {
      ...approval,
      id: `apr_${n}`,
      principal: agent,
      owner: `owner-${Math.floor(n / 10)}`,
      channel: 'http',
      client: 'bob (you), from your phone',
      plan: { ...approval.plan, target, summary: `Delete guest-${n} (${1000 + n}) on pve` },
      expiresAt: new Date(Date.parse(approval.expiresAt) + n * 1000).toISOString(),
    };
  });
}

async function inView(page: Page, selector: string): Promise<boolean> {
  const box = await page.locator(selector).boundingBox();
  return box !== null && box.y >= 0 && box.y + box.height <= (page.viewportSize()?.height ?? 0);
}

describe('with 201 pending approvals', () => {
  beforeEach(async () => {
    const engine = scriptedEngine(({ operation, args, caller }) => {
      const { approval_id: id, reason } = args as { approval_id: string; reason?: string };
      if (operation !== 'deny') return { kind: 'done', output: {} };
      const found = engine.pending.find((one) => one.id === id) ?? fail('approval_unknown', 'It is gone.');
      engine.pending = engine.pending.filter((one) => one !== found);
      const decided = { decidedBy: caller.principal, decidedAt: '2026-11-23T10:01:00.000Z' };
      engine.recent = [{ ...found, ...decided, status: 'denied', note: reason ?? '' } as ApprovalRecord, ...engine.recent].slice(0, 50);
      return { kind: 'done', output: {} };
    });
    engine.pending = many();
    open = await openConsolePlace({ assets: loadAssets(), engine, pollMs: 50 });
  });

  test('the page counts all of them, and shows those that expire first', async () => {
    await visitor.enter(open);
    const { page, faults } = visitor;
    await page.getByText('201 are pending. These 200 expire first.').waitFor();
    expect(await page.title()).toBe('(201) proxmox-mcp console');
    expect(await page.locator('a.card').count()).toBe(200);
    expect(await page.locator('a.card .what').first().textContent()).toBe('Delete guest-0 (1000) on pve');
    // The one that is not in the list is there by its address.
    await page.goto(`${open.origin}/#/pending/apr_200`);
    await page.getByRole('heading', { name: 'Delete guest-200 (1200) on pve' }).waitFor();
    await page.getByLabel('To approve, type').waitFor();
    await page.goto(`${open.origin}/#/pending/apr_none`);
    await page.getByText('This approval does not exist.').waitFor();
    // The browser's own line about the 404.
    expect(faults.filter((fault) => !/404/.test(fault))).toEqual([]);
  }, 60_000);

  test('a card names the authenticated requester first, and the name of the client as unverified', async () => {
    await visitor.enter(open);
    const { page } = visitor;
    const who = await page.locator('a.card .who').first().textContent();
    expect(who).toMatch(/^token:agent-0 \(of owner-0\), /);
    expect(who).toMatch(/client calls itself “bob \(you\), from your phone”, unverified$/);
    expect(await page.locator('.asked').textContent()).toContain('token:agent-0 (of owner-0)');
  }, 60_000);

  test.each([
    ['a desk', { width: 1280, height: 800 }],
    ['a phone', { width: 390, height: 844 }],
  ])(
    'on %s the decision is in view without scrolling, and follows the focus',
    async (_name, viewport) => {
      await visitor.enter(open, viewport);
      const { page } = visitor;
      const card = page.locator('a[href="#/pending/apr_3"]');
      await card.focus();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Delete guest-3 (1003) on pve' }).waitFor();
      for (const selector of ['.headline h2', '.decide #typed', '.decide .primary', '.decide .quiet'])
        expect(await inView(page, selector)).toBe(true);
      await vi.waitFor(async () => expect(await page.evaluate('document.activeElement.id')).toBe('detail-title'));
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.id')).toBe('typed');
    },
    60_000,
  );

  test('the list can be searched by guest, VMID and requester', async () => {
    await visitor.enter(open);
    const { page } = visitor;
    const find = page.getByLabel('Find approvals');
    await find.fill('1042');
    await page.getByText('1 of 200 match.').waitFor();
    expect(await page.locator('a.card .what').allTextContents()).toEqual(['Delete guest-42 (1042) on pve']);
    await find.fill('agent-7');
    await page.getByText('10 of 200 match.').waitFor();
  }, 60_000);

  test('all requests of one requester are denied at once, each with its own line in the audit, and no others', async () => {
    await visitor.enter(open);
    const { page } = visitor;
    await page.getByRole('button', { name: 'Group by requester' }).click();
    expect(await page.locator('.group h2').first().textContent()).toBe('token:agent-0 (of owner-0) 10');
    await page.getByRole('button', { name: 'Deny all of token:agent-4' }).click();
    await page.getByLabel('Reason (optional)').first().fill('agent 4 loops');
    expect(open.engine.calls).toEqual([]);
    await page.getByRole('button', { name: 'Deny them all' }).click();
    await vi.waitFor(async () => expect(await page.title()).toBe('(191) proxmox-mcp console'));
    expect(open.engine.calls.map(({ operation, args }) => [operation, args])).toEqual(
      Array.from({ length: 10 }, (_, n) => ['deny', { approval_id: `apr_${40 + n}`, reason: 'agent 4 loops' }]),
    );
    expect(open.engine.calls[0]?.caller).toMatchObject({ principal: 'local:1000', channel: 'console' });
  }, 60_000);
});
