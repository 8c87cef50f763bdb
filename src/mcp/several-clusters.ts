import type { OfferedTool } from './tools.ts';

/**
 * The same tool where several clusters are served. What decides is told by its id, and some tools read nothing of a cluster. `additionalProperties` pays for the parameter, because
 * the list is in the agent's context: the engine refuses unknown parameters in any case.
 */
export function withCluster(offered: OfferedTool): OfferedTool {
  if (offered.ofNoCluster || (offered.effect === 'control' && offered.decides)) return offered;
  const { tool } = offered;
  const { additionalProperties: _none, ...schema } = tool.inputSchema;
  return { ...offered, tool: { ...tool, inputSchema: { ...schema, properties: { cluster: { type: 'string' }, ...schema.properties } } } };
}
