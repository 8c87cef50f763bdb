import pkg from '../../../package.json' with { type: 'json' };
import { type Exit, isForPeople, print, printJson } from '../terminal/output.ts';

/** `version`: what a report about a fault begins with. */
export function version(): Exit {
  const { version: node, platform, arch } = process;
  if (isForPeople()) print(`proxmox-mcp ${pkg.version}, Node ${node.slice(1)}, ${platform} ${arch}`);
  else printJson({ version: pkg.version, node: node.slice(1), platform, arch });
  return 0;
}
