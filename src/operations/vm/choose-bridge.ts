import { fail } from '../../core/errors.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { listBridges } from '../../proxmox/network.ts';

const USUAL = 'vmbr0';

/**
 * The bridge of net0. Proxmox accepts any name in a configuration, and then the start fails.
 * @throws not_possible for a bridge that is not there, ambiguous with the candidates
 */
export async function chooseBridge(
  api: ProxmoxReader,
  node: string,
  wanted: string | undefined,
): Promise<{ bridge: string; choices: string[] }> {
  const bridges = await listBridges(api, node);
  const details = { candidates: bridges };
  const hint =
    bridges.length === 0
      ? `No bridge of ${node} is visible: the operator grants SDN.Use on /sdn/zones/localnetwork/${wanted ?? USUAL}.`
      : `Choose one of: ${bridges.join(', ')}.`;
  if (wanted !== undefined) {
    if (!bridges.includes(wanted))
      fail('not_possible', `Bridge ${wanted} does not exist on ${node} or the token may not use it.`, { hint, details });
    return { bridge: wanted, choices: [] };
  }
  const [only] = bridges;
  if (bridges.includes(USUAL)) return { bridge: USUAL, choices: [`net_bridge: ${USUAL}`] };
  if (only !== undefined && bridges.length === 1) return { bridge: only, choices: [`net_bridge: ${only} (the only one)`] };
  return fail(
    bridges.length === 0 ? 'not_possible' : 'ambiguous',
    `Bridge on ${node}: ${bridges.length === 0 ? 'none is visible' : 'several could be meant'}.`,
    {
      hint,
      details,
    },
  );
}
