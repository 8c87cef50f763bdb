import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { SkillsExtension, skillEntry } from '@modelcontextprotocol/server/ext/skills';
import { fail } from '../core/errors.ts';
import { lazy } from '../core/lazy.ts';

const URI = 'skill://proxmox-mcp/SKILL.md';

/** docs/SKILL.md lies beside dist/ in the package, and two folders up when this runs from source. */
const text = lazy(async () => {
  const file = ['../docs/SKILL.md', '../../docs/SKILL.md'].map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url));
  return file === undefined
    ? fail('internal', 'docs/SKILL.md is missing.', { hint: 'Install the package again.' })
    : readFile(file, 'utf8');
});
const entry = lazy(async () => skillEntry('proxmox-mcp', { 'SKILL.md': await text.get() }));

/**
 * The skill over MCP (extension `io.modelcontextprotocol/skills`, SEP-2640), for clients that load skills from servers. Nothing is read
 * before a client asks.
 */
export const skill = new SkillsExtension({
  source: {
    list: async () => ({ skills: [await entry.get()] }),
    get: async (uri) => (uri === URI ? entry.get() : undefined),
    read: async (uri) => (uri === URI ? { text: await text.get(), mimeType: 'text/markdown' } : undefined),
  },
});
