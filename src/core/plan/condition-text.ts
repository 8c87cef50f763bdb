import type { Condition } from './plan.ts';

/** A condition in words: `guest 105 is running`. */
export function conditionText(condition: Condition): string {
  if (condition.kind === 'listed' || condition.kind === 'reads') return condition.says;
  const guest = `guest ${condition.vmid}`;
  switch (condition.kind) {
    case 'guest':
      return `${guest} is ${condition.is}`;
    case 'config':
      return `${guest} has ${[...Object.entries(condition.has), ...Object.entries(condition.parts ?? {})]
        .map(([option, value]) => (value === null ? `no ${option}` : `${option} ${value}`))
        .join(', ')}`;
    case 'disk':
      return `${condition.disk} of ${guest} has at least ${condition.atLeastGib} GiB`;
    case 'address':
      return `${guest} has an address`;
    case 'location':
      return `${guest} is on ${condition.node}`;
    case 'backup':
      return `a new backup of ${guest} lies on ${condition.storage}`;
  }
}
