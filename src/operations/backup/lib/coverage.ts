import { defined } from '../../../core/defined.ts';
import { ageDays } from '../../../core/text/duration.ts';
import { plainText } from '../../../core/text/text.ts';
import type { Backup } from '../../../proxmox/backups.ts';
import type { GuestRow } from '../../../proxmox/guest/guests.ts';

/** How well a guest is backed up; `unknown`: this token would not see its backups. */
const WORST_FIRST = ['none', 'failed verification', 'old', 'unknown', 'ok'] as const;
type Coverage = (typeof WORST_FIRST)[number];

/** One row for each guest that is not a template, those without a good recent backup first. */
export function coverageOf(
  guests: readonly GuestRow[],
  backups: readonly Backup[],
  { now, maxAgeDays, sees }: { now: number; maxAgeDays: number; sees: (vmid: number) => boolean },
) {
  const rows = guests
    .filter(({ template }) => !template)
    .map((guest) => {
      const newest = backups.find(({ vmid, type }) => vmid === guest.vmid && type === guest.type);
      const days = newest && (now - newest.time) / 86_400;
      return {
        vmid: guest.vmid,
        guest: plainText(guest.name, 80),
        state: stateOf(newest, days !== undefined && days > maxAgeDays, sees(guest.vmid)),
        ...(newest && days !== undefined ? { age_days: ageDays(newest.time, now), storage: newest.storage } : {}),
        ...defined({ verified: newest?.verified }),
      };
    });
  return rows.sort((a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state) || a.vmid - b.vmid);
}

function stateOf(newest: Backup | undefined, isOld: boolean, isSeen: boolean): Coverage {
  if (!newest) return isSeen ? 'none' : 'unknown';
  if (newest.verified === 'failed') return 'failed verification';
  return isOld ? 'old' : 'ok';
}
