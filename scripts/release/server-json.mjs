import { SETTINGS } from './settings.mjs';

/**
 * The entry of the MCP registry.
 * @param pkg package.json
 * @param bundleSha256 checksum of the .mcpb file, in hexadecimal
 */
export function serverJson(pkg, bundleSha256) {
  const repository = pkg.repository.url.replace(/^git\+|\.git$/g, '');
  const image = new URL(repository).pathname;
  const environmentVariables = SETTINGS.map(({ variable, description, required, secret, boolean }) => ({
    name: variable,
    description,
    ...(required ? { isRequired: true } : {}),
    ...(secret ? { isSecret: true } : {}),
    ...(boolean ? { format: 'boolean', default: 'false' } : {}),
  }));
  const common = { transport: { type: 'stdio' }, environmentVariables };
  const volume = {
    type: 'named',
    name: '-v',
    value: 'proxmox-mcp:/data',
    description: 'Keeps the store, the audit and the pinned certificate',
  };
  return {
    $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
    name: pkg.mcpName,
    title: 'Proxmox VE',
    description: 'Run Proxmox VE clusters safely: plans, quotas, human approvals and an audit trail.',
    version: pkg.version,
    repository: { url: repository, source: 'github' },
    websiteUrl: pkg.homepage,
    packages: [
      { registryType: 'npm', identifier: pkg.name, version: pkg.version, runtimeHint: 'npx', ...common },
      { registryType: 'oci', identifier: `ghcr.io${image}:${pkg.version}`, runtimeHint: 'docker', runtimeArguments: [volume], ...common },
      {
        registryType: 'mcpb',
        identifier: `${repository}/releases/download/v${pkg.version}/${pkg.name}-${pkg.version}.mcpb`,
        fileSha256: bundleSha256,
        ...common,
      },
    ],
  };
}
