import { refuse } from '../errors.ts';
import { freeVolume, volumesOn } from '../guest/volumes.ts';
import type { Storage, Volume } from '../model.ts';
import type { World } from '../world.ts';

export type Mark = 'keep' | 'remove' | 'protected';

/** A backup and what a retention says of it. */
export interface Marked {
  volume: Volume;
  mark: Mark;
}

/** Options of a retention, `keep-last=3,keep-daily=7`. */
export function parseRetention(text: string): Record<string, number> {
  return Object.fromEntries(text.split(',').map((part) => [part.split('=')[0] ?? '', Number(part.split('=')[1] ?? 0)]));
}

/** The retention of the storage where none was given. */
export function retentionOf(storage: Storage, given: string | undefined): Record<string, number> {
  if (!storage.content.includes('backup')) refuse(`storage '${storage.storage}' does not support backups`);
  return parseRetention(given ?? storage.prune ?? refuse(`no prune-backups options configured for storage '${storage.storage}'`));
}

/** How many backups of a guest the retention allows; 0 means any number. */
export function limitOf(keep: Record<string, number>): number {
  return keep['keep-all'] ? 0 : Object.values(keep).reduce((sum, count) => sum + count, 0);
}

/** ISO 8601 week with its year. */
function week(day: Date): string {
  const thursday = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate() + 4 - (day.getUTCDay() || 7)));
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return `${Math.ceil(((thursday.getTime() - first) / 86_400_000 + 1) / 7)}/${thursday.getUTCFullYear()}`;
}

/** Periods in the order in which they claim backups, each with the name of the period that a moment (epoch s) lies in. */
const PERIODS: [string, (ctime: number) => string][] = [
  ['keep-last', String],
  ['keep-hourly', (ctime) => new Date(ctime * 1000).toISOString().slice(0, 13)],
  ['keep-daily', (ctime) => new Date(ctime * 1000).toISOString().slice(0, 10)],
  ['keep-weekly', (ctime) => week(new Date(ctime * 1000))],
  ['keep-monthly', (ctime) => new Date(ctime * 1000).toISOString().slice(0, 7)],
  ['keep-yearly', (ctime) => new Date(ctime * 1000).toISOString().slice(0, 4)],
];

/** Marks the backups of one guest, newest first: each period keeps the newest of its last `count` instances that no earlier one kept. */
function markGroup(group: Volume[], keep: Record<string, number>): Marked[] {
  const marks = new Map<Volume, Mark>();
  for (const volume of group) if (volume.protected) marks.set(volume, 'protected');
  const all = keep['keep-all'] === 1 || Object.entries(keep).every(([name, count]) => name === 'keep-all' || count === 0);
  const newestFirst = [...group].sort((a, b) => b.ctime - a.ctime);
  for (const [name, periodOf] of PERIODS) {
    const count = keep[name] ?? 0;
    if (all || count === 0) continue;
    const covered = new Set(newestFirst.filter((volume) => marks.get(volume) === 'keep').map(({ ctime }) => periodOf(ctime)));
    const taken = new Set<string>();
    for (const volume of newestFirst) {
      const period = periodOf(volume.ctime);
      if (marks.has(volume) || covered.has(period)) continue;
      if (taken.has(period)) marks.set(volume, 'remove');
      else if (taken.size >= count) break;
      else {
        taken.add(period);
        marks.set(volume, 'keep');
      }
    }
  }
  return group.map((volume) => ({ volume, mark: marks.get(volume) ?? (all ? 'keep' : 'remove') }));
}

/** Every backup of the storage, or of one guest or type on it, with what the retention says. */
export function markBackups(
  world: World,
  storage: Storage,
  node: string,
  keep: Record<string, number>,
  only: { vmid?: number | undefined; type?: string | undefined },
): Marked[] {
  const wanted = volumesOn(world, storage, node)
    .filter(({ content }) => content === 'backup')
    .filter(({ vmid }) => only.vmid === undefined || vmid === only.vmid)
    .filter(({ subtype }) => only.type === undefined || subtype === only.type);
  const groups = new Map<string, Volume[]>();
  for (const volume of wanted) {
    const group = `${volume.subtype}/${volume.vmid}`;
    groups.set(group, [...(groups.get(group) ?? []), volume]);
  }
  return [...groups.values()].flatMap((group) => markGroup(group, keep));
}

/** Removes what is marked so and logs each. Returns how many went. */
export function pruneBackups(world: World, marked: Marked[], log: (line: string) => void): number {
  const gone = marked.filter(({ mark }) => mark === 'remove');
  for (const { volume } of gone) {
    log(`removing backup '${volume.volid}'`);
    freeVolume(world, volume);
  }
  return gone.length;
}
