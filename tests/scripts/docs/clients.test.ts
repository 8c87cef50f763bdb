import { expect, test } from 'vitest';
import { clientsDoc, clientTable, oneClick } from '../../../scripts/docs/clients.ts';
import { CLIENTS } from '../../../src/cli/lib/clients.ts';

const STDIO = { command: 'proxmox-mcp', args: ['stdio'] };
const DEMO = { command: 'proxmox-mcp', args: ['stdio', '--demo'] };
/** Where the links lead and how they carry the configuration, read in November 2026: Cursor in its documentation, VS Code and LM Studio in the READMEs of other servers. */
const FORMS = [
  ['vscode', 'https://insiders.vscode.dev/redirect/mcp/install', (text: string) => text],
  ['cursor', 'https://cursor.com/en/install-mcp', (text: string) => Buffer.from(text, 'base64').toString()],
  ['lm-studio', 'https://lmstudio.ai/install-mcp', (text: string) => Buffer.from(text, 'base64').toString()],
] as const;

test.each(FORMS)('the link of %s installs what client-config would', (client, address, decode) => {
  for (const [isDemo, name, config] of [
    [false, 'proxmox', STDIO],
    [true, 'proxmox-demo', DEMO],
  ] as const) {
    const link = new URL(oneClick(client, isDemo) ?? '');
    expect(link.origin + link.pathname).toBe(address);
    expect(link.searchParams.get('name')).toBe(name);
    expect(JSON.parse(decode(link.searchParams.get('config') ?? ''))).toEqual(config);
    expect(clientTable()).toContain(`(${link.href})`);
    expect(clientsDoc()).toContain(`(${link.href})`);
  }
});

test('the page has a section for each client, and the table leads to it', () => {
  const sections = [...clientsDoc().matchAll(/^## (.+)$/gm)].map(([, title]) => title ?? '');
  expect(sections).toHaveLength(Object.keys(CLIENTS).length + 2);
  const anchors = [...clientTable().matchAll(/connect-a-client\.md#([\w-]+)/g)].map(([, anchor]) => anchor);
  expect(anchors).toEqual(sections.slice(0, -2).map((title) => title.toLowerCase().replaceAll(' ', '-')));
});
