import { isSet } from '../../core/text/sizes.ts';
import type { Granted } from './privileges.ts';

/** The lists from which Proxmox silently omits what the token may not see. */
export type Subject = 'guests' | 'pools' | 'nodes' | 'storages' | 'disks' | 'backups' | 'networks' | 'tasks' | 'ha';

interface Need {
  /** The part of the permission tree with an entry for each thing. */
  root: string;
  /** Guests get rights through their pool too. */
  also?: string;
  anyOf: readonly string[];
}

interface Rule {
  /** As the list is called in an answer. */
  words: string;
  needs: readonly Need[];
  /** Shows them too, whatever else is missing. */
  instead?: Need;
}

const guests = (privilege: string): Need => ({ root: '/vms', also: '/pool', anyOf: [privilege] });
const storages = (...anyOf: string[]): Need => ({ root: '/storage', anyOf });
const ALLOCATE = storages('Datastore.Allocate');

/** Measured on Proxmox VE 9.2 with 48 tokens. */
const RULES: Record<Subject, Rule> = {
  guests: { words: 'guests', needs: [guests('VM.Audit')] },
  pools: { words: 'pools of guests', needs: [{ root: '/pool', anyOf: ['Pool.Audit'] }] },
  nodes: { words: 'load and memory of nodes', needs: [{ root: '/nodes', anyOf: ['Sys.Audit'] }] },
  storages: { words: 'storages', needs: [storages('Datastore.Audit', 'Datastore.AllocateSpace')] },
  disks: { words: 'disks on storages', needs: [guests('VM.Config.Disk'), storages('Datastore.Audit')], instead: ALLOCATE },
  backups: { words: 'backups', needs: [guests('VM.Backup'), storages('Datastore.AllocateSpace')], instead: ALLOCATE },
  networks: { words: 'bridges and VNets', needs: [{ root: '/sdn', anyOf: ['SDN.Use', 'SDN.Audit'] }] },
  tasks: { words: 'tasks of others', needs: [{ root: '/nodes', anyOf: ['Sys.Audit'] }] },
  ha: { words: 'HA state and quorum', needs: [{ root: '/', anyOf: ['Sys.Audit'] }] },
};

/** Most paths that a line names. */
const NAMED = 5;

/**
 * The gaps in the lists of these subjects for a token with these rights, a line for each that may be incomplete. An empty list proves
 * nothing while there is such a line.
 */
export function unseenBy(granted: Granted, subjects: readonly Subject[]): string[] {
  return subjects.flatMap((subject) => {
    const { words, needs, instead } = RULES[subject];
    if (instead && placesOf(granted, instead) === 'all') return [];
    const lacking = needs.filter((need) => placesOf(granted, need) !== 'all');
    if (lacking.length === 0) return [];
    return [`${words}: shown only with ${lacking.map((need) => described(granted, need)).join(' and ')}`];
  });
}

/** `VM.Audit (held on /pool/agents)`, `Sys.Audit on / (held nowhere)` */
function described(granted: Granted, need: Need): string {
  const places = placesOf(granted, need);
  const held = places === 'all' ? [] : places;
  const shown = held.slice(0, NAMED).join(', ') + (held.length > NAMED ? ` and ${held.length - NAMED} more` : '');
  return `${need.anyOf.join(' or ')}${need.root === '/' ? ' on /' : ''} (held ${held.length === 0 ? 'nowhere' : `on ${shown} alone`})`;
}

/** Where the token has one of the privileges: everywhere, or on these paths. A listed privilege without the flag does not reach below. */
function placesOf(granted: Granted, { root, also, anyOf }: Need): 'all' | string[] {
  const has = (path: string) => anyOf.some((privilege) => privilege in (granted[path] ?? {}));
  const reaches = (path: string) => anyOf.some((privilege) => isSet(granted[path]?.[privilege]));
  if (root === '/') return has('/') ? 'all' : [];
  const below = Object.keys(granted).filter((path) => path.startsWith(`${root}/`) || (also !== undefined && path.startsWith(`${also}/`)));
  // A role on a deeper path replaces what is inherited: there the privilege may be missing again.
  const replaced = below.filter((path) => path.startsWith(`${root}/`) && !has(path));
  if ((reaches(root) || (granted[root] === undefined && reaches('/'))) && replaced.length === 0) return 'all';
  return [...(reaches(root) ? [root] : []), ...below.filter(has)];
}
