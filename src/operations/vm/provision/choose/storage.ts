import { fail } from '../../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../../core/proxmox.ts';
import { requirePrivileges } from '../../../../proxmox/access/privileges.ts';
import { isThin, listVolumes, placeOn, type StorageRow } from '../../../../proxmox/storage.ts';
import type { OperationContext } from '../../../define.ts';

interface StorageRequest {
  node: string;
  storages: readonly StorageRow[];
  wanted?: string | undefined;
  /** The template's or image's own storage, and what it is for the text. */
  own?: { storage: string; of: string };
  /** GiB that the disks will take. */
  needGib: number;
  /** Kind of volume: disks of VMs, or of containers. Default: images. */
  content?: 'images' | 'rootdir';
}

/**
 * The storage for disks: the caller's, PROXMOX_STORAGE, that of the template or image, or the only one that takes them. It never guesses
 * among several.
 * @throws ambiguous, storage_unavailable (missing, offline, wrong content, too little space); both list the candidates
 */
export function chooseStorage(
  ctx: Pick<OperationContext, 'defaults' | 'reservedGib'>,
  request: StorageRequest,
): { storage: StorageRow; choices: string[] } {
  const { node, storages, needGib, content = 'images' } = request;
  const eligible = storages.filter((s) => s.usable && s.content.includes(content));
  const disks = content === 'images' ? 'disk images' : 'disks of containers';
  const candidates = eligible.map((s) => `${s.storage} (${gib(freeOf(ctx, node, s))} GiB free)`);
  const hint =
    eligible.length === 0
      ? `No visible storage on ${node} takes ${disks}. Ask the operator to grant Datastore.AllocateSpace and Datastore.Audit on one.`
      : `Choose one of: ${candidates.join(', ')}.`;
  const extras = { hint, details: { candidates } };
  const named = request.wanted ?? ctx.defaults.storage;
  const own = eligible.find((s) => s.storage === request.own?.storage);
  const only = eligible.length === 1 ? eligible[0] : undefined;
  const found = named === undefined ? (own ?? only) : eligible.find((s) => s.storage === named);
  if (!found && named === undefined) {
    if (eligible.length === 0) fail('storage_unavailable', `No storage on ${node} can take the disks.`, extras);
    fail('ambiguous', `Several storages on ${node} can take the disks.`, extras);
  }
  if (!found) {
    const there = storages.find((s) => s.storage === named);
    const why = !there ? 'does not exist there' : there.usable ? `does not take ${disks}` : 'is disabled or offline';
    const isOff = there && !there.usable && eligible.length === 0;
    fail('storage_unavailable', `Storage ${named} on ${node} ${why}.`, {
      ...extras,
      ...(isOff ? { hint: `Ask the operator to enable ${named} or to bring it back.` } : {}),
    });
  }
  refuseFull(ctx, { node, storage: found, needGib, candidates });
  const why = named !== undefined ? 'PROXMOX_STORAGE' : found === own ? `that of ${request.own?.of}` : `the only one that takes ${disks}`;
  return { storage: found, choices: request.wanted === undefined ? [`storage: ${found.storage} (${why})`] : [] };
}

/** @param wanted what the caller or PROXMOX_STORAGE names @throws permission_denied where it may be hidden */
export async function refuseUnseenStorage(api: ProxmoxReader, storages: readonly StorageRow[], wanted: string | undefined): Promise<void> {
  const seen = wanted === undefined ? storages.some(takesImages) : storages.some((s) => s.storage === wanted);
  if (!seen) await requireSight(api, `Seeing and using ${wanted === undefined ? 'a storage for disks' : `storage ${wanted}`}`, [wanted]);
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

export function takesImages(storage: StorageRow): boolean {
  return storage.usable && storage.content.includes('images');
}

/** @param candidates other storages, for the error @throws storage_unavailable */
export function refuseFull(
  ctx: Pick<OperationContext, 'reservedGib'>,
  { node, storage, needGib, candidates = [] }: { node: string; storage: StorageRow; needGib: number; candidates?: string[] },
): void {
  const free = freeOf(ctx, node, storage);
  if (needGib <= free) return;
  const reserved = ctx.reservedGib(placeOn(node, storage));
  const held = reserved > 0 ? ` (${gib(reserved)} GiB more are reserved by work in flight)` : '';
  const where = `Storage ${storage.storage} on ${node}`;
  fail('storage_unavailable', `${where} has ${gib(free)} GiB free${held}, but ${gib(needGib)} GiB are needed.`, {
    hint: 'Choose another storage or a smaller size, or ask the operator for space.',
    details: { candidates },
  });
}

function freeOf(ctx: Pick<OperationContext, 'reservedGib'>, node: string, storage: StorageRow): number {
  return Math.max(0, storage.freeGib - ctx.reservedGib(placeOn(node, storage)));
}

/** A thin pool gives out more than it has; when it fills up, every guest on it stops. */
export async function thinWarning(
  ctx: Pick<OperationContext, 'api'>,
  node: string,
  storage: StorageRow,
  needGib: number,
): Promise<string[]> {
  if (!isThin(storage.type) || storage.totalGib === 0) return [];
  const volumes = await listVolumes(ctx.api, node, storage.storage, { content: 'images' });
  const given = volumes.reduce((sum, v) => sum + v.sizeGib, 0) + needGib;
  if (given <= storage.totalGib) return [];
  return [
    `storage ${storage.storage} is thin: visible disks and this one may grow to ${gib(given)} GiB, it has ${gib(storage.totalGib)} GiB`,
  ];
}

function gib(value: number): string {
  return String(Math.floor(value * 10) / 10);
}
