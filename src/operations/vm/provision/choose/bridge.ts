import { fail } from '../../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../../core/proxmox.ts';
import { failMissing, missingPrivileges } from '../../../../proxmox/access/privileges.ts';
import { listBridges } from '../../../../proxmox/nodes.ts';

const USUAL = 'vmbr0';

/**
 * The bridge of net0. Proxmox accepts any name in a configuration, and then the start fails.
 * @param word the caller's parameter
 * @throws permission_denied for a bridge that the token could not see, not_possible for one that is not there, ambiguous with the candidates
 */
export async function chooseBridge(
  api: ProxmoxReader,
  node: string,
  wanted: string | undefined,
  word: 'bridge' | 'net_bridge' = 'bridge',
): Promise<{ bridge: string; choices: string[] }> {
  const bridges = await listBridges(api, node);
  if (wanted !== undefined && bridges.includes(wanted)) return { bridge: wanted, choices: [] };
  const [only] = bridges;
  if (wanted !== undefined || only === undefined) await refuseUnseen(api, node, wanted ?? USUAL);
  const hint = only === undefined ? 'The operator creates a bridge on the node.' : `Choose one of: ${bridges.join(', ')}.`;
  const extras = { hint, details: { candidates: bridges } };
  if (wanted !== undefined) fail('not_possible', `Bridge ${wanted} does not exist on ${node}.`, extras);
  if (only === undefined) fail('not_possible', `No bridge exists on ${node}.`, extras);
  if (bridges.includes(USUAL)) return { bridge: USUAL, choices: [`${word}: ${USUAL}`] };
  if (bridges.length === 1) return { bridge: only, choices: [`${word}: ${only} (the only one)`] };
  fail('ambiguous', `Several bridges exist on ${node}.`, extras);
}

/** Before 8.0 every bridge shows to every token. */
async function refuseUnseen(api: ProxmoxReader, node: string, bridge: string): Promise<void> {
  if ((await api.version()).major < 8) return;
  const path = `/sdn/zones/localnetwork/${bridge}`;
  const missing = await missingPrivileges(api, [{ path, anyOf: ['SDN.Use', 'SDN.Audit'] }]);
  if (missing.length > 0) failMissing(`Seeing and using bridge ${bridge} on ${node}`, [{ path, privileges: ['SDN.Use'] }]);
}
