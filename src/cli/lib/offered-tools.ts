import { readFileSync } from 'node:fs';
import type { OfferedTool } from '../../mcp/tools.ts';

/** The tools as the build wrote them beside the bundle (scripts/build.mjs); made from the operations when this runs from source. */
export async function offeredTools(): Promise<OfferedTool[]> {
  const shipped = readIfReadable(new URL('./tools.json', import.meta.url));
  if (shipped !== undefined) return JSON.parse(shipped) as OfferedTool[];
  const [{ operations }, { offeredTool }] = await Promise.all([import('../../operations/index.ts'), import('../../mcp/tools.ts')]);
  return operations.map(offeredTool);
}

function readIfReadable(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
