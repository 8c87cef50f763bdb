import type { OfferedTool } from './tools.ts';

/**
 * The same tool where several clusters are served. Decisions name an approval, and some tools read nothing of a cluster. The parameter replaces
 * `additionalProperties` in the tokens of the list, because the engine refuses unknown parameters in any case.
 */
export function withCluster(offered: OfferedTool): OfferedTool {
  if (offered.ofNoCluster || (offered.effect === 'control' && offered.decides)) return offered;
  const { tool } = offered;
  const { additionalProperties: _none, ...schema } = tool.inputSchema;
  return { ...offered, tool: { ...tool, inputSchema: { ...schema, properties: { cluster: { type: 'string' }, ...schema.properties } } } };
}
