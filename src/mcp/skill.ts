import { type McpServer, ResourceNotFoundError } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { fail } from '../core/errors/errors.ts';
import { lazy } from '../core/lazy.ts';

const URI = 'skill://proxmox-mcp/SKILL.md';
const MARKDOWN = 'text/markdown';

/** Its entry in the list of resources. */
export const SKILL = { uri: URI, name: 'skill', title: 'Skill', description: 'How an agent uses the command line', mimeType: MARKDOWN };

/** docs/SKILL.md lies beside dist/ in the package, and two folders up when this runs from source. */
const text = lazy(async () => {
  const [{ existsSync }, { readFile }] = await Promise.all([import('node:fs'), import('node:fs/promises')]);
  const file = ['../docs/SKILL.md', '../../docs/SKILL.md'].map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url));
  return file === undefined
    ? fail('internal', 'docs/SKILL.md is missing.', { hint: 'Install the package again.' })
    : readFile(file, 'utf8');
});

/** Its frontmatter, size and digest. The SDK's extension makes it, and costs 7 ms of a start where it is attached: it is loaded when asked. */
const entry = lazy(async () => {
  const { skillEntry } = await import('@modelcontextprotocol/server/ext/skills');
  return skillEntry('proxmox-mcp', { 'SKILL.md': await text.get() });
});

/** Required by revision 2026-07-28; older clients ignore it. */
const CACHE = { ttlMs: 300_000, cacheScope: 'public' };

const listParams = z.looseObject({});
const getParams = z.looseObject({ uri: z.string() });

/** Serves docs/SKILL.md to clients that load skills from servers (extension `io.modelcontextprotocol/skills`, SEP-2640). */
export function registerSkill(mcp: McpServer): void {
  const { name, uri, ...config } = SKILL;
  mcp.registerResource(name, uri, config, async () => ({ contents: [{ uri: URI, mimeType: MARKDOWN, text: await text.get() }] }));
  mcp.server.setRequestHandler('skills/list', { params: listParams }, async () => ({ skills: [await entry.get()], ...CACHE }));
  mcp.server.setRequestHandler('skills/get', { params: getParams }, async ({ uri }) => {
    if (uri !== URI) throw new ResourceNotFoundError(uri);
    return { skill: await entry.get(), ...CACHE };
  });
  mcp.server.registerCapabilities({ extensions: { 'io.modelcontextprotocol/skills': {} } });
}
