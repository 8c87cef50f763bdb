import { fail } from '../../core/errors.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { Guest } from '../../proxmox/guests.ts';
import { missingPrivileges } from '../../proxmox/privileges.ts';
import { canLink, isFileStorage, listStorages, placeOn, type StorageRow } from '../../proxmox/storage.ts';
import type { OperationContext } from '../define.ts';
import { chooseStorage, refuseFull, refuseUnseenStorage, takesImages, thinWarning } from './choose-storage.ts';
import { label } from './target.ts';

export interface CloneWish {
  full_clone?: boolean | undefined;
  storage?: string | undefined;
  target_node?: string | undefined;
  pool: string | undefined;
  vmid: number;
}

export interface CloneWay {
  full: boolean;
  /** Parameters of the clone request beside newid and name. */
  storage?: string;
  format?: 'qcow2';
  /** Cloned straight to the other node (everything is shared). */
  target?: string;
  /** Cloned on the source's node, then moved. */
  migrate?: { to: string; targetstorage?: string };
  /** Where the guest is in the end. */
  node: string;
  /** GiB by `node/storage`. */
  space: Record<string, number>;
  choices: string[];
  warnings: string[];
}

/**
 * Linked or full, on which storage, and how it gets to another node. Everything that Proxmox would refuse is refused here.
 * @param growGib what the boot disk grows by afterwards
 */
export async function cloneWay(ctx: OperationContext, source: Guest, wish: CloneWish, growGib: number): Promise<CloneWay> {
  const from = source.at.node;
  const to = wish.target_node ?? from;
  const storages = await listStorages(ctx.api, from);
  const used = ownStorages(source, storages);
  const elsewhere = to !== from;
  const shared = elsewhere && everythingShared(source, storages, wish.storage);
  const moves = elsewhere && !shared;
  if (moves) refuseUnmovable(source, to);
  const { full, why } = linkedOrFull(source, used, wish, moves);
  const choices = why === undefined ? [] : [why];
  if (!full) {
    const warnings = await roomFor(ctx, from, used, growGib);
    return { full, node: to, ...(elsewhere ? { target: to } : {}), space: spaceOn(to, used, growGib), choices, warnings };
  }
  const needGib = source.sizes.diskGib + growGib;
  const there = elsewhere ? await listStorages(ctx.api, to) : storages;
  await refuseUnseenStorage(ctx.api, there, wish.storage);
  const placed = placeOfCopy(ctx, { node: elsewhere ? to : from, storages: there, used, wanted: wish.storage, needGib, source });
  if (moves) await refuseWithoutMigrate(ctx.api, wish);
  const named = placed.named;
  // A storage that the source's node does not have can only be reached by the move itself.
  const onSource = named !== undefined && storages.some((s) => s.storage === named.storage && takesImages(s));
  const clonedOnto = named !== undefined && (!moves || onSource) ? named : undefined;
  return {
    full,
    ...(clonedOnto ? { storage: clonedOnto.storage, ...(isFileStorage(clonedOnto.type) ? { format: 'qcow2' as const } : {}) } : {}),
    ...(shared ? { target: to } : {}),
    ...(moves ? { migrate: { to, ...(named && !onSource ? { targetstorage: named.storage } : {}) } } : {}),
    node: to,
    space: placed.space,
    choices: [
      ...choices,
      ...placed.choices,
      ...(moves ? [`target_node: its disks are on storage of ${from} alone, so the clone is made there and then moved`] : []),
    ],
    warnings: [
      ...placed.warnings,
      ...(source.template ? [] : ['the source is no template: a copy of a running guest is like one after a power failure']),
    ],
  };
}

function linkedOrFull(source: Guest, used: StorageRow[], wish: CloneWish, moves: boolean): { full: boolean; why?: string } {
  const hint = 'Leave full_clone out or set it to true.';
  const obstacle = !source.template
    ? 'the source is no template'
    : wish.storage !== undefined
      ? 'a storage was given, and a linked clone stays on its template’s'
      : moves
        ? 'a linked clone cannot move to another node without shared storage'
        : used.find((s) => !canLink(s.type)) && `storage ${used.find((s) => !canLink(s.type))?.storage} cannot hold linked clones`;
  if (wish.full_clone === false && obstacle) fail('not_possible', `No linked clone of ${label(source)}: ${obstacle}.`, { hint });
  if (wish.full_clone === true) return { full: true };
  if (obstacle) return { full: true, why: `full clone: ${obstacle}` };
  return { full: false, ...(wish.full_clone === undefined ? { why: 'linked clone: quick and small, it depends on its template' } : {}) };
}

/** The storages of the source's disks, as far as the token sees them. */
function ownStorages(source: Guest, storages: readonly StorageRow[]): StorageRow[] {
  const names = new Set(source.disks.filter((d) => d.media === 'disk' || d.media === 'firmware').map((d) => d.storage));
  return storages.filter((s) => names.has(s.storage));
}

function everythingShared(source: Guest, storages: readonly StorageRow[], wanted: string | undefined): boolean {
  const names = [...source.disks.filter((d) => d.media !== 'unused').map((d) => d.storage), ...(wanted === undefined ? [] : [wanted])];
  return names.every((name) => storages.find((s) => s.storage === name)?.shared === true);
}

/** Proxmox: "can't migrate local cdrom". */
function refuseUnmovable(source: Guest, to: string): void {
  const iso = source.disks.find((d) => d.media === 'cdrom');
  if (iso)
    fail('not_possible', `A clone of ${label(source)} cannot move to ${to}: ${iso.volid} is inserted as ${iso.slot}.`, {
      hint: 'The operator ejects it, or clone without target_node.',
    });
}

async function refuseWithoutMigrate(api: ProxmoxReader, wish: CloneWish): Promise<void> {
  const path = wish.pool === undefined ? `/vms/${wish.vmid}` : `/pool/${wish.pool}`;
  const missing = await missingPrivileges(api, [{ path, anyOf: ['VM.Migrate'] }]);
  if (missing.length > 0) {
    fail('permission_denied', `Moving the clone to another node needs VM.Migrate on ${path}.`, {
      hint: 'Clone without target_node, or the operator grants the privilege.',
      details: { missing: missing.map((m) => ({ path: m.path, privileges: m.privileges })) },
    });
  }
}

interface Copy {
  node: string;
  storages: readonly StorageRow[];
  used: StorageRow[];
  wanted: string | undefined;
  needGib: number;
  source: Guest;
}

/** Onto a named storage, or each disk where the source has it. */
function placeOfCopy(
  ctx: OperationContext,
  copy: Copy,
): { named?: StorageRow; space: Record<string, number>; choices: string[]; warnings: string[] } {
  const { node, storages, used, needGib } = copy;
  const named = copy.wanted ?? ctx.settings.defaults.storage;
  const own = used.map((s) => s.storage);
  const copied = copy.source.disks.some((d) => d.media !== 'cdrom' && d.media !== 'unused');
  if (copy.wanted === undefined && !copied) return { space: {}, choices: [], warnings: [] };
  const ownFits = own.length > 0 && own.every((name) => storages.some((s) => s.storage === name && takesImages(s)));
  if (named === undefined && ownFits) {
    const there = storages.filter((s) => own.includes(s.storage));
    const [first] = there;
    if (first && there.length === 1) refuseFull(ctx, node, first, needGib);
    return { space: spaceOn(node, there, needGib), choices: [`storage: ${own.join(', ')} (that of the source)`], warnings: [] };
  }
  const chosen = chooseStorage(ctx, { node, storages, wanted: copy.wanted, needGib });
  return { named: chosen.storage, space: spaceOn(node, [chosen.storage], needGib), choices: chosen.choices, warnings: [] };
}

function spaceOn(node: string, storages: readonly StorageRow[], gib: number): Record<string, number> {
  const [first] = storages;
  return first && gib > 0 ? { [placeOn(node, first)]: gib } : {};
}

async function roomFor(ctx: OperationContext, node: string, storages: readonly StorageRow[], growGib: number): Promise<string[]> {
  const [first] = storages;
  if (!first || growGib <= 0) return [];
  refuseFull(ctx, node, first, growGib);
  return thinWarning(ctx, node, first, growGib);
}
