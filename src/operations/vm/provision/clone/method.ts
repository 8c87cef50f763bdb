import { present } from '../../../../core/defined.ts';
import { fail } from '../../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../../core/proxmox.ts';
import { missingPrivileges } from '../../../../proxmox/access/privileges.ts';
import type { Disk } from '../../../../proxmox/guest/disks.ts';
import type { Guest } from '../../../../proxmox/guest/guests.ts';
import { canLink, isFileStorage, listStorages, type StorageRow } from '../../../../proxmox/storage.ts';
import type { OperationContext } from '../../../define.ts';
import { label } from '../../lib/target.ts';
import { takesImages, thinWarnings } from '../choose/storage.ts';
import { refuseHostDevices, refuseInsertedIso } from './devices.ts';
import { placeOfCopy, sizesByStorage, spaceFor } from './space.ts';

interface CloneRequest {
  full_clone?: boolean | undefined;
  storage?: string | undefined;
  target_node?: string | undefined;
  pool: string | undefined;
  vmid: number;
}

export interface CloneMethod {
  full: boolean;
  /** Parameters of the clone request beside newid and name. */
  storage?: string;
  format?: 'qcow2';
  /** Cloned straight to the other node (everything is shared). */
  target?: string;
  /** Cloned on the source's node, then moved. */
  migrate?: { to: string; targetstorage?: string };
  /** Disks that neither the clone nor the move brings to the storage that was requested: each is moved at the end. */
  moveDisks?: { slots: string[]; storage: string; format?: 'qcow2' };
  /** Where the guest is in the end. */
  node: string;
  /** GiB by `node/storage`. */
  space: Record<string, number>;
  choices: string[];
  warnings: string[];
}

/**
 * Decides whether a clone is linked or full, its storage, and how it gets to another node. It refuses everything that Proxmox would refuse.
 * @param growGib what the boot disk grows by afterwards
 */
export async function cloneMethod(ctx: OperationContext, source: Guest, request: CloneRequest, growGib: number): Promise<CloneMethod> {
  const from = source.at.node;
  const to = request.target_node ?? from;
  const elsewhere = to !== from;
  const storages = await listStorages(ctx.api, from);
  const isShared = ({ storage }: Disk) => storages.find((s) => s.storage === storage)?.shared === true;
  const local = source.disks.filter((d) => d.media !== 'unused' && !isShared(d));
  if (elsewhere) refuseHostDevices(source, to);
  const { full, why, warnings } = linkedOrFull(source, ownStorages(source, storages), request, elsewhere && local.length > 0);
  const choices = why === undefined ? [] : [why];
  if (!full) {
    const space = spaceFor(ctx, from, storages, sizesByStorage(source, growGib, 'growth'));
    const thin = await thinWarnings(ctx, from, storages, space);
    return { full, node: to, ...(elsewhere ? { target: to } : {}), space, choices, warnings: [...warnings, ...thin] };
  }
  const there = elsewhere ? await listStorages(ctx.api, to) : storages;
  const placed = await placeOfCopy(ctx, { node: to, storages: there, source, wanted: request.storage, growGib });
  const { named } = placed;
  const onSource = named !== undefined && storages.some((s) => s.storage === named.storage && takesImages(s));
  // Proxmox clones straight to another node only from shared storage, and onto shared storage that both nodes have.
  const straight = elsewhere && local.length === 0 && (named === undefined || !onSource || named.shared);
  const migrates = elsewhere && !straight;
  if (migrates) {
    refuseInsertedIso(source, local, to);
    await refuseWithout(ctx.api, 'VM.Migrate', 'Moving the clone to another node', request);
  }
  // A migration leaves what is on shared storage where it is, whatever storage is requested.
  const left =
    named === undefined || onSource || !elsewhere
      ? []
      : source.disks.filter((d) => (d.media === 'disk' || d.media === 'firmware') && isShared(d) && d.storage !== named.storage);
  if (left.length > 0) await refuseWithout(ctx.api, 'VM.Config.Disk', 'Moving a disk to another storage', request);
  const format = named && isFileStorage(named.type) ? { format: 'qcow2' as const } : {};
  const copy = sizesByStorage(source, 0, 'all');
  const total = [...copy.values()].reduce((sum, gib) => sum + gib, 0);
  // Where the copy lies before it is moved.
  const meanwhile = !elsewhere ? {} : spaceFor(ctx, from, storages, onSource && named ? new Map([[named.storage, total]]) : copy);
  return {
    full,
    ...(named && (onSource || !elsewhere) ? { storage: named.storage, ...format } : {}),
    ...(straight ? { target: to } : {}),
    ...(migrates ? { migrate: { to, ...(named && !onSource ? { targetstorage: named.storage } : {}) } } : {}),
    ...(named && left.length > 0 ? { moveDisks: { slots: left.map((d) => d.slot), storage: named.storage, ...format } } : {}),
    node: to,
    space: { ...meanwhile, ...placed.space },
    choices: present(
      ...choices,
      ...placed.choices,
      migrates && `target_node: ${whyMoved(local, from)}, so the clone is made there and then moved`,
      named &&
        left.length > 0 &&
        `storage: ${from} does not have ${named.storage}, so ${left.map((d) => d.slot).join(', ')} is moved onto it on ${to}`,
    ),
    warnings: await thinWarnings(ctx, to, there, placed.space),
  };
}

function whyMoved(local: readonly Disk[], from: string): string {
  if (local.length === 0) return 'Proxmox clones to another node only onto shared storage';
  return `${local.map((d) => d.slot).join(', ')} ${local.length === 1 ? 'is' : 'are'} on storage of ${from} alone`;
}

function linkedOrFull(
  source: Guest,
  used: readonly StorageRow[],
  request: CloneRequest,
  moves: boolean,
): { full: boolean; why?: string; warnings: string[] } {
  const hint = 'Leave full_clone out or set it to true.';
  const cannot = used.find((s) => canLink(s.type) === false);
  const perhaps = used.find((s) => canLink(s.type) === undefined);
  const obstacle = !source.template
    ? 'the source is not a template'
    : request.storage !== undefined
      ? 'a storage was given, and a linked clone stays on its template’s'
      : moves
        ? 'a linked clone cannot move to another node without shared storage'
        : cannot && `storage ${cannot.storage} cannot hold linked clones`;
  if (request.full_clone === false && obstacle) fail('not_possible', `${label(source)} cannot be cloned linked: ${obstacle}.`, { hint });
  if (request.full_clone === true) return { full: true, warnings: [] };
  if (obstacle) return { full: true, why: `full clone: ${obstacle}`, warnings: [] };
  if (request.full_clone === false) {
    const doubt = perhaps && `whether storage ${perhaps.storage} (${perhaps.type}) can hold linked clones is unknown until Proxmox tries`;
    return { full: false, warnings: present(doubt) };
  }
  if (perhaps) return { full: true, why: `full clone: whether storage ${perhaps.storage} can hold linked clones is unknown`, warnings: [] };
  return { full: false, why: 'linked clone: quick and small, but depends on its template', warnings: [] };
}

/** The storages of the source's disks, as far as the token sees them. */
function ownStorages(source: Guest, storages: readonly StorageRow[]): StorageRow[] {
  const names = new Set(source.disks.filter((d) => d.media === 'disk' || d.media === 'firmware').map((d) => d.storage));
  return storages.filter((s) => names.has(s.storage));
}

async function refuseWithout(api: ProxmoxReader, privilege: string, what: string, request: CloneRequest): Promise<void> {
  const path = request.pool === undefined ? `/vms/${request.vmid}` : `/pool/${request.pool}`;
  const missing = await missingPrivileges(api, [{ path, anyOf: [privilege] }]);
  if (missing.length === 0) return;
  fail('permission_denied', `${what} needs ${privilege} on ${path}.`, {
    hint: 'Clone without target_node.',
    details: { missing: [{ path, privileges: [privilege], ...(request.pool === undefined ? { isNew: true } : {}) }] },
  });
}
