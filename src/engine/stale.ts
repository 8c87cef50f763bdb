import { canonical } from '../core/canonical.ts';
import type { GuestIdentity } from '../core/guest.ts';
import type { Plan } from '../core/plan.ts';

const FIELDS: { field: keyof GuestIdentity; says: (was: string, is: string) => string }[] = [
  { field: 'key', says: () => 'the guest behind this VMID is another one (its identity differs)' },
  { field: 'generation', says: () => 'the guest was rolled back or restored' },
  { field: 'name', says: (was, is) => `the name was ${was}, it is ${is}` },
  { field: 'node', says: (was, is) => `the node was ${was}, it is ${is}` },
  { field: 'protection', says: (was, is) => `protection was ${was}, it is ${is}` },
  { field: 'lock', says: (was, is) => `the lock was ${was}, it is ${is}` },
  { field: 'disks', says: (was, is) => `the disks were ${was}, they are ${is}` },
];

/** Why a plan made now differs from the one a human was asked about; never empty. */
export function differences(was: Plan, is: Plan): string[] {
  const show = (value: unknown) => (value === undefined ? 'none' : typeof value === 'string' ? value || 'empty' : JSON.stringify(value));
  const found = FIELDS.filter(
    ({ field }) => was.target && is.target && canonical(was.target[field] ?? null) !== canonical(is.target[field] ?? null),
  ).map(({ field, says }) => says(show(was.target?.[field]), show(is.target?.[field])));
  if (is.existing) found.push('what was asked for is so already');
  if (found.length === 0) {
    const was2 = was.steps.flatMap((s) => (s.kind === 'request' ? [`${s.method} ${s.path}`] : []));
    const is2 = is.steps.flatMap((s) => (s.kind === 'request' ? [`${s.method} ${s.path}`] : []));
    found.push(
      canonical(was2) === canonical(is2)
        ? 'the configuration of the guest changed'
        : `the requests were ${was2.join(', ')}, they are ${is2.join(', ') || 'none'}`,
    );
  }
  return found;
}
