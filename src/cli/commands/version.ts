import pkg from '../../../package.json' with { type: 'json' };
import { type Exit, printResult } from '../terminal/output.ts';

/** `version`: the facts that a bug report begins with. */
export function version(): Exit {
  const { version: node, platform, arch } = process;
  const text = `proxmox-mcp ${pkg.version}, Node ${node.slice(1)}, ${platform} ${arch}`;
  printResult({ version: pkg.version, node: node.slice(1), platform, arch }, text);
  return 0;
}
