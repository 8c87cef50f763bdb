import { ifAllowed } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';

/** High availability: the managed guests by the cluster's list, and the quorum where the token has Sys.Audit on `/`. */
export async function haView(api: ProxmoxReader, guests: readonly GuestRow[]) {
  const managed = guests.flatMap((g) =>
    g.ha === undefined ? [] : [{ vmid: g.vmid, name: plainText(g.name, 80), node: g.node, state: g.ha }],
  );
  return { ...(await quorum(api)), guests: managed };
}

/** `GET /cluster/ha/status/current` */
async function quorum(api: ProxmoxReader): Promise<{ quorum?: string }> {
  const rows = await ifAllowed(api.get<{ type?: string; status?: string }[]>('/cluster/ha/status/current'), []);
  const status = rows.find(({ type }) => type === 'quorum')?.status;
  return status === undefined ? {} : { quorum: plainText(status, 60) };
}
