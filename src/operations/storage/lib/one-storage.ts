import { fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { requirePrivileges } from '../../../proxmox/access/privileges.ts';
import type { StorageRow } from '../../../proxmox/storage.ts';

interface Question {
  node: string;
  /** Those of the node that the token sees. */
  storages: readonly StorageRow[];
  fits: (storage: StorageRow) => boolean;
  /** Completes "takes …": `backups`. */
  takes: string;
  /** By the caller or the operator. */
  named: string | undefined;
  /** Preferred where none is named: that of the template or image, and what it is for the text. */
  own?: { storage: string; of: string } | undefined;
  /** The space (GiB) that the candidates of an error show. */
  freeOf: (storage: StorageRow) => number;
  /** The next step where none fits. */
  remedy: string;
}

/**
 * The named storage, the own one, or the only one that fits. It never guesses among several.
 * @throws ambiguous, storage_unavailable (missing, offline, wrong content), both with the candidates; permission_denied where it may be hidden
 */
export async function oneStorage(api: ProxmoxReader, question: Question) {
  const { node, storages, fits, takes, named, own, freeOf, remedy } = question;
  const fit = storages.filter((one) => one.usable && fits(one));
  const candidates = fit.map((one) => `${one.storage} (${freeOf(one)} GiB free)`);
  const [only, ...others] = fit;
  const preferred = fit.find(({ storage }) => storage === own?.storage);
  const found =
    named === undefined ? (preferred ?? (others.length === 0 ? only : undefined)) : fit.find(({ storage }) => storage === named);
  if (found) {
    const why = preferred ? `that of ${own?.of}` : `the only one that takes ${takes}`;
    return { storage: found, candidates, choices: named === undefined ? [`storage: ${found.storage} (${why})`] : [] };
  }
  const there = storages.find(({ storage }) => storage === named);
  const isSeen = named === undefined ? only !== undefined : there !== undefined;
  if (!isSeen) await requireSight(api, `Seeing and using ${named === undefined ? 'a storage' : `storage ${named}`}`, [named]);
  const extras = { hint: only ? `Choose one of: ${candidates.join(', ')}.` : remedy, details: { candidates } };
  if (named === undefined) {
    if (only) fail('ambiguous', `Several storages on ${node} take ${takes}.`, extras);
    fail('storage_unavailable', `No visible storage on ${node} takes ${takes}.`, extras);
  }
  const why = !there ? 'does not exist' : there.usable ? `does not take ${takes}` : 'is disabled or offline';
  const isOff = there && !there.usable && !only;
  fail('storage_unavailable', `Storage ${named} on ${node} ${why}.`, {
    ...extras,
    ...(isOff ? { hint: `Ask the operator to enable ${named} or to bring it back.` } : {}),
  });
}

/**
 * A storage is listed with Datastore.Audit or AllocateSpace only: without them its existence is unknown.
 * @param storages their names; undefined: any
 * @throws permission_denied
 */
export function requireSight(api: ProxmoxReader, what: string, storages: readonly (string | undefined)[]): Promise<void> {
  const paths = storages.map((storage) => (storage === undefined ? '/storage' : `/storage/${storage}`));
  return requirePrivileges(
    api,
    what,
    paths.map((path) => ({ path, anyOf: ['Datastore.AllocateSpace', 'Datastore.Audit'] })),
  );
}
