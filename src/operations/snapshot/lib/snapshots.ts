import * as z from 'zod';
import { fail } from '../../../core/errors/errors.ts';
import type { Condition } from '../../../core/plan/plan.ts';
import { ageDays, duration, isoOf } from '../../../core/text/duration.ts';
import type { Json } from '../../../core/text/json.ts';
import { nearest } from '../../../core/text/nearest.ts';
import { plainText } from '../../../core/text/text.ts';
import { path } from '../../../proxmox/guest/encode.ts';
import { type GuestAt, guestPath } from '../../../proxmox/guest/guests.ts';
import type { Snapshot } from '../../../proxmox/guest/snapshots.ts';
import { label, type Target } from '../../vm/lib/target.ts';

/** pve-configid, at most 40 characters; Proxmox keeps these three words for itself. */
export const snapshotName = z
  .string()
  .refine((text) => /^[a-z][a-z0-9_-]{1,39}$/i.test(text) && !['current', 'pending', 'vzdump'].includes(text.toLowerCase()), {
    message: 'must begin with a letter and have 2 to 40 letters, digits, _ and -',
  });

/** @throws not_possible with the snapshots that exist */
export function findSnapshot({ guest, snapshots }: Target, name: string): Snapshot {
  const found = snapshots.all.find((one) => one.name === name);
  if (found) return found;
  const near = nearest(name, snapshots.names)[0];
  const names = snapshots.names.map((one) => plainText(one, 40));
  const meant = near === undefined ? '' : `: did you mean ${plainText(near, 40)}?`;
  fail('not_possible', `${label(guest)} has no snapshot ${plainText(name, 40)}${meant}`, {
    hint: names.length === 0 ? 'It has no snapshots. snapshot_vm takes one.' : `Snapshots: ${names.join(', ')}.`,
    details: { snapshots: names },
  });
}

/** The path of one snapshot below that of its guest. */
export function snapshotPath(name: string): string {
  return path`/snapshot/${name}`;
}

/** Whether the list of the guest's snapshots has this one. */
export function listed(at: GuestAt, name: string, is: 'present' | 'absent', of: string): Condition {
  const says = `snapshot ${plainText(name, 40)} of ${of} ${is === 'present' ? 'exists' : 'is gone'}`;
  // A snapshot that is being created, or whose worker died, is listed with a `snapstate`.
  const row = is === 'present' ? { name, snapstate: null } : { name };
  return { kind: 'listed', path: `${guestPath(at)}/snapshot`, row, is, says };
}

/** Binds an approval to this snapshot, because a name can be used again. */
export function bound({ guest }: Pick<Target, 'guest'>, { name, time, parent, memory }: Snapshot): Record<string, Json> {
  return { [`snapshot ${plainText(name, 40)} of ${label(guest)}`]: { time: time ?? null, parent: parent ?? null, memory } };
}

/** A row of an answer. @param now epoch seconds */
export function snapshotRow({ name, time, parent, memory, state }: Snapshot, now: number) {
  return {
    snapshot: plainText(name, 40),
    ...(time === undefined ? {} : { time: isoOf(time), age_days: ageDays(time, now) }),
    ...(parent === undefined ? {} : { parent: plainText(parent, 40) }),
    ...(memory ? { memory: true } : {}),
    ...(state === undefined ? {} : { incomplete: plainText(state, 20) }),
  };
}

/** `before-upgrade of 2026-11-25T10:00:00.000Z (2 h 10 min ago)` */
export function snapshotText({ name, time }: Snapshot, now: number): string {
  const when = time === undefined ? 'of unknown time' : `of ${isoOf(time)} (${duration(now / 1000 - time)} ago)`;
  return `${plainText(name, 40)} ${when}`;
}
