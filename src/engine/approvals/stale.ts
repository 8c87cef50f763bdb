import type { GuestIdentity } from '../../core/guest.ts';
import { gravest } from '../../core/plan/effect.ts';
import { targetsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { canonical } from '../../core/text/canonical.ts';
import { requestLines } from '../records.ts';

const FIELDS: { field: keyof GuestIdentity; says: (was: string, is: string) => string }[] = [
  { field: 'key', says: () => 'the guest behind this VMID is another one (its identity differs)' },
  { field: 'generation', says: () => 'the guest was rolled back or restored' },
  { field: 'name', says: (was, is) => `the name was ${was}, it is ${is}` },
  { field: 'node', says: (was, is) => `the node was ${was}, it is ${is}` },
  { field: 'protection', says: (was, is) => `protection was ${was}, it is ${is}` },
  { field: 'lock', says: (was, is) => `the lock was ${was}, it is ${is}` },
  { field: 'snapshots', says: (was, is) => `the snapshots were ${was}, they are ${is}` },
  { field: 'disks', says: (was, is) => `the disks were ${was}, they are ${is}` },
];

const show = (value: unknown) => (value === undefined ? 'none' : typeof value === 'string' ? value || 'empty' : JSON.stringify(value));

function compare(was: GuestIdentity, is: GuestIdentity | undefined, prefix: string): string[] {
  if (!is) return prefix === '' ? [] : [`${prefix}nothing remains to be done`];
  const changed = FIELDS.filter(({ field }) => canonical(was[field] ?? null) !== canonical(is[field] ?? null));
  return changed.map(({ field, says }) => prefix + says(show(was[field]), show(is[field])));
}

/** Of the guests whose disks are copied. */
function sourceDifferences(was: Plan, is: Plan): string[] {
  const now = new Map(is.sources?.map((source) => [source.vmid, source]));
  const before = was.sources ?? [];
  const more = [...now.keys()].filter((vmid) => !before.some((source) => source.vmid === vmid));
  return [
    ...before.flatMap((source) => {
      const then = now.get(source.vmid);
      if (!then) return [`the disks of guest ${source.vmid} are no longer copied`];
      if (source.template !== then.template)
        return [`guest ${source.vmid} ${then.template ? 'became a template' : 'is no longer a template'}`];
      if (source.identity && then.identity) return compare(source.identity, then.identity, `source ${source.vmid}: `);
      return canonical(source) === canonical(then) ? [] : [`the visible state of guest ${source.vmid} changed`];
    }),
    ...more.map((vmid) => `the disks of guest ${vmid} are also copied`),
  ];
}

/** Of backups, snapshots and rules, which the digest covers beside guests. */
function boundDifferences(was: Plan, is: Plan): string[] {
  const names = new Set([...Object.keys(was.binds ?? {}), ...Object.keys(is.binds ?? {})]);
  return [...names].flatMap((name) => {
    const [before, now] = [was.binds?.[name], is.binds?.[name]];
    if (canonical(before ?? null) === canonical(now ?? null)) return [];
    if (now === undefined) return [`${name} is no longer part of it`];
    return [before === undefined ? `${name} is also part of it` : `${name} was replaced or changed`];
  });
}

/** Of the pools and tags that policy or scope looked at. */
function placedDifferences(was: Plan, is: Plan): string[] {
  return (was.placed ?? []).flatMap((before) => {
    const now = is.placed?.find(({ vmid }) => vmid === before.vmid);
    const facts = (['pool', 'tags'] as const).filter((fact) => canonical(before[fact] ?? null) !== canonical(now?.[fact] ?? null));
    return facts.map(
      (fact) =>
        `the ${fact} of guest ${before.vmid} ${fact === 'tags' ? 'were' : 'was'} ${show(before[fact] ?? undefined)}, now ${show(now?.[fact] ?? undefined)}`,
    );
  });
}

/**
 * The facts that are worse now than the human was shown, though the same requests would be sent. One is a graver effect, for example by a standing
 * approval that was opened since. The other is a backup that is gone, or can no longer be seen; a newer one is fine.
 */
export function worsened(was: Plan, is: Plan): string[] {
  const isGraver = gravest(was.effect, is.effect) !== was.effect;
  const effect = `its effect was ${was.effect}, it is ${is.effect}${is.raisedBecause === undefined ? '' : ` (${is.raisedBecause})`}`;
  return [...(isGraver ? [effect] : []), ...lostBackup(was, is)];
}

function lostBackup({ facts: was }: Plan, { facts: is }: Plan): string[] {
  const [before, now] = [was?.lastBackup, is?.lastBackup];
  if (typeof before !== 'string' || (typeof now === 'string' && now >= before)) return [];
  return [`the newest backup was from ${before}, ${typeof now === 'string' ? `now it is from ${now}` : 'now none is visible'}`];
}

/** The differences between the plan of now and the one that was shown to a human; never empty. */
export function differences(was: Plan, is: Plan): string[] {
  const before = targetsOf(was);
  const now = new Map(targetsOf(is).map((guest) => [guest.vmid, guest]));
  const found = before.flatMap((guest) => compare(guest, now.get(guest.vmid), before.length > 1 ? `${guest.vmid}: ` : ''));
  found.push(...sourceDifferences(was, is), ...boundDifferences(was, is), ...placedDifferences(was, is), ...worsened(was, is));
  if (is.existing) found.push('the requested state already holds');
  if (found.length === 0) {
    const [requested, requests] = [requestLines(was), requestLines(is)];
    found.push(
      canonical(requested) === canonical(requests)
        ? 'the configuration of the guest changed'
        : `the requests were ${requested.join(', ')}, they are ${requests.join(', ') || 'none'}`,
    );
  }
  return found;
}
