import { fail } from '../../../core/errors/errors.ts';
import type { Condition } from '../../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { digestOf } from '../../../core/text/canonical.ts';
import { plainText } from '../../../core/text/text.ts';
import { backupOwner } from '../../../proxmox/guest/disks.ts';
import type { Around } from './around.ts';
import { type ApiRequest, queryOf } from './request.ts';

const PRUNE = 'DELETE /nodes/{node}/storage/{storage}/prunebackups';
/** Most backups that a plan names one by one. */
const MAX_NAMED = 40;

/**
 * The backups that a prune removes, by Proxmox's own preview (GET of the same path). The plan names them and is bound to them. The policy's rules
 * about their guests apply. Undefined for other methods.
 * @throws not_possible when the retention removes none
 */
export async function prune(request: ApiRequest, api: ProxmoxReader) {
  if (request.name !== PRUNE) return undefined;
  const { path } = request;
  const query = queryOf(request);
  const rows = await api.get<{ volid: string; mark: string; ctime?: number | null }[]>(path, query);
  const doomed = rows
    .filter(({ mark }) => mark === 'remove')
    .map(({ volid, ctime = null }) => ({ volid, ctime }))
    .sort((a, b) => a.volid.localeCompare(b.volid));
  if (doomed.length === 0)
    fail('not_possible', `This retention removes none of the ${rows.length} backups in sight.`, { hint: 'Call list_backups.' });
  const volids = doomed.map(({ volid }) => plainText(volid, 200));
  const more = volids.length - MAX_NAMED;
  const none: Condition = {
    kind: 'listed',
    path,
    params: query,
    row: { mark: 'remove' },
    is: 'absent',
    says: 'the retention removes no more',
  };
  const around: Around = {
    object: { removed: [...volids.slice(0, MAX_NAMED), ...(more > 0 ? [`${more} more`] : [])], kept: rows.length - doomed.length },
    binds: { [`prune ${plainText(path, 200)}`]: digestOf(doomed) },
    expected: [none],
    undo: 'impossible: the backups are lost',
  };
  return { around, vmids: doomed.flatMap(({ volid }) => backupOwner(volid) ?? []), warnings: [`${doomed.length} backups are destroyed`] };
}
