import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { ApiRequest } from './request.ts';

/** Values sent instead of defaults of Proxmox that do more than the request says. Reviewed for Proxmox VE 9.2. */
const LESS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // 1 also takes the guest out of the HA rules that name it.
  'DELETE /cluster/ha/resources/{sid}': { purge: '0' },
  'DELETE /nodes/{node}/ceph/pool/{name}': { remove_ecprofile: '0' },
  // 1 prunes after each run by the retention of the storage.
  'POST /cluster/backup': { remove: '0' },
};
/** Defaults with wide effects, sent so that a human sees them. */
const SHOWN: typeof LESS = {
  'PUT /access/acl': { propagate: '1' },
  'POST /access/domains/{realm}/sync': { 'enable-new': '1' },
};

/** Parameters that the caller left out and that the plan sends, so that it shows them. */
export async function explicitDefaults({ name, path, params }: ApiRequest, api: ProxmoxReader): Promise<Record<string, string>> {
  // A caller who names a retention asks for pruning. Releases before 9 do not know `purge`.
  if (params['prune-backups'] !== undefined) return {};
  if (path.startsWith('/cluster/ha/') && (await api.version()).major < 9) return {};
  return Object.fromEntries(Object.entries({ ...LESS[name], ...SHOWN[name] }).filter(([key]) => params[key] === undefined));
}
