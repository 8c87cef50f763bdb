import pkg from '../../../package.json' with { type: 'json' };
import { type Exit, printResult } from '../terminal/output.ts';

/** `version`: what a report about a fault begins with. */
export function version(): Exit {
  const { version: node, platform, arch } = process;
  const text = `proxmox-mcp ${pkg.version}, Node ${node.slice(1)}, ${platform} ${arch}`;
  printResult({ version: pkg.version, node: node.slice(1), platform, arch }, text);
  return 0;
}
