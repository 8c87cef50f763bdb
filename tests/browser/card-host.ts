import type { Frame, Page, Request } from 'playwright-core';
import type { Visitor } from './browser.ts';

interface Sent {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
}

interface CardHost {
  page: Page;
  card: Frame;
  /** Everything that the card said to its host. */
  sent(): Promise<Sent[]>;
  tell(method: string, params: object, id?: number): Promise<void>;
  /** Whatever went wrong in the pages, violations of a policy included, and every request that was tried. */
  faults: string[];
}

/** A host as MCP Apps describes it: the card in a sandbox without an origin, under a policy of the host's own, spoken to by messages. */
export async function openCardHost(visitor: Visitor, html: string, hostContext: object, hostCapabilities: object = {}): Promise<CardHost> {
  const { page, faults } = visitor;
  await visitor.visit('about:blank');
  page.removeAllListeners('request');
  page.on('request', (request: Request) => {
    if (!/^(about|data):/.test(request.url())) faults.push(`request: ${request.url()}`);
  });
  await page.setContent('<!doctype html><title>host</title><style>body{margin:16px}iframe{width:100%;border:0}</style>');
  await page.evaluate(`(${hostScript})(${JSON.stringify({ html, hostContext, hostCapabilities })})`);
  await page.waitForFunction('window.sent.some(({ method }) => method === "ui/notifications/initialized")');
  const card = page.frames().find((frame) => frame !== page.mainFrame());
  if (!card) throw new Error('the card has no frame');
  return {
    page,
    card,
    faults,
    sent: () => page.evaluate('window.sent'),
    tell: (method, params, id) => page.evaluate(`window.tell(${JSON.stringify({ method, params, ...(id === undefined ? {} : { id }) })})`),
  };
}

// What runs in the page is text: the tests are compiled without the types of a browser.
const hostScript = `({ html, hostContext, hostCapabilities }) => {
  window.sent = [];
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  window.tell = (message) => frame.contentWindow.postMessage({ jsonrpc: '2.0', ...message }, '*');
  addEventListener('message', ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    window.sent.push(data);
    if (data.method === 'ui/initialize')
      window.tell({ id: data.id, result: { protocolVersion: '2026-01-26', hostInfo: { name: 'emulator', version: '1' }, hostCapabilities, hostContext } });
    else if (data.id !== undefined && data.method) window.tell({ id: data.id, result: {} });
    if (data.method === 'ui/notifications/size-changed') frame.style.height = data.params.height + 'px';
  });
  frame.srcdoc = html;
  document.body.style.background = hostContext.theme === 'dark' ? '#0d0f0e' : '#f4f5f2';
  document.body.append(frame);
}`;
