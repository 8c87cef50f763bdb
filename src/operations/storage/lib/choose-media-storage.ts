import { fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { listStorages, type StorageRow } from '../../../proxmox/storage.ts';
import { requireSight } from '../../vm/provision/choose/storage.ts';
import type { Kind } from './media-file.ts';

/** An ESXi server is listed as a source of imports, and takes no file. */
const TAKES_NO_FILE = ['esxi'];

/**
 * Where a file goes: the caller's storage, or the only one of the node that takes this content.
 * @throws ambiguous, storage_unavailable, permission_denied where a storage may exist that the token does not see
 */
export async function chooseMediaStorage(
  api: ProxmoxReader,
  node: string,
  kind: Kind,
  wanted: string | undefined,
): Promise<{ storage: StorageRow; choices: string[] }> {
  const all = await listStorages(api, node);
  const fit = all.filter((one) => one.usable && one.content.includes(kind) && !TAKES_NO_FILE.includes(one.type));
  const found = wanted === undefined ? fit : fit.filter(({ storage }) => storage === wanted);
  const [storage] = found;
  if (storage && found.length === 1) {
    return { storage, choices: wanted === undefined ? [`storage: ${storage.storage} (the only one that takes ${kind})`] : [] };
  }
  const details = { candidates: fit.map((one) => `${one.storage} (${Math.floor(one.freeGib)} GiB free)`) };
  if (found.length > 1) {
    fail('ambiguous', `Several storages on ${node} take ${kind}.`, { hint: `Give storage: ${details.candidates.join(', ')}.`, details });
  }
  const there = all.find((one) => one.storage === wanted);
  if (!there) await requireSight(api, `Seeing ${wanted === undefined ? 'a storage for files' : `storage ${wanted}`}`, [wanted]);
  const why =
    wanted === undefined
      ? `No storage on ${node} takes ${kind}`
      : `Storage ${wanted} on ${node} ${!there ? 'does not exist' : there.usable ? `does not take ${kind}` : 'is disabled or offline'}`;
  fail('storage_unavailable', `${why}.`, {
    hint:
      fit.length > 0
        ? `Choose one of: ${details.candidates.join(', ')}.`
        : `Ask the operator to add ${kind} to the content of a storage that keeps files.`,
    details,
  });
}
