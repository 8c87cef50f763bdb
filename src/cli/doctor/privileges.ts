import type { GetApi } from '../../core/proxmox.ts';
import type { Settings } from '../../core/settings/settings.ts';
import type { Toolset } from '../../core/settings/toolset.ts';
import { operations } from '../../operations/index.ts';
import { PLACES, type Place, type Right, type Rights, rightsOf } from '../../operations/rights.ts';
import { allPrivileges, type Granted, type Missing } from '../../proxmox/access/privileges.ts';
import { privilegesAt } from '../../proxmox/access/remembered.ts';

/** The paths on which a right for a place of that kind can be given. */
const PATHS: Record<Place, RegExp> = {
  guests: /^\/$|^\/(vms|pool)(\/|$)/,
  storages: /^\/$|^\/(storage|pool)(\/|$)/,
  bridges: /^\/$|^\/sdn(\/|$)/,
  nodes: /^\/$|^\/nodes(\/|$)/,
  cluster: /^\/$/,
};

/** Each operation on the cluster with its rights. @param major of Proxmox VE */
export async function operationRights(major: number, toolsets: readonly Toolset[]): Promise<({ name: string } & Rights)[]> {
  // Rights are asked for only where the tool that needs them is offered.
  const onCluster = operations.filter(({ effect, toolset }) => effect !== 'control' && toolsets.includes(toolset));
  return Promise.all(onCluster.map(async (operation) => ({ name: operation.name, ...(await rightsOf(operation, major)) })));
}

/** The token's rights at the places that matter to this installation. */
export interface Standing {
  granted: Granted;
  /** For each kind of place: the path that was looked at, and what the token may do there. */
  at: Record<Place, { path: string; has: ReadonlySet<string> }>;
}

/**
 * Rights on guests count on the pool of PROXMOX_POOL, those on storages on PROXMOX_STORAGE: a right on a template or another storage does not
 * help there. Without these settings, the path with most of what operations need counts.
 */
export async function standingOf(api: GetApi, { defaults }: Pick<Settings, 'defaults'>, all: readonly Rights[]): Promise<Standing> {
  const granted = await allPrivileges(api);
  const useful = all.flatMap(({ needs, more }) => [...needs, ...more]);
  const { pool, storage, node } = defaults;
  const named: Partial<Record<Place, string>> = {
    ...(pool === undefined ? {} : { guests: `/pool/${pool}` }),
    ...(storage === undefined ? {} : { storages: `/storage/${storage}` }),
    ...(defaults.nodeIsExplicit ? { nodes: `/nodes/${node}` } : {}),
  };
  const usual = { guests: '/vms', storages: '/storage', bridges: '/sdn/zones/localnetwork', nodes: `/nodes/${node}`, cluster: '/' };
  const at = await Promise.all(
    PLACES.map(async (place) => {
      const path = named[place] ?? best(granted, place, useful) ?? usual[place];
      return [place, { path, has: await privilegesAt(api, path) }] as const;
    }),
  );
  return { granted, at: Object.fromEntries(at) as unknown as Standing['at'] };
}

function best(granted: Granted, place: Place, useful: readonly Right[]): string | undefined {
  const names = new Set(useful.flatMap((right) => (right.on === place ? right.anyOf : [])));
  const count = (path: string) => Object.keys(granted[path] ?? {}).filter((privilege) => names.has(privilege)).length;
  return Object.keys(granted)
    .filter((path) => PATHS[place].test(path) && count(path) > 0)
    .sort((a, b) => count(b) - count(a) || a.length - b.length)[0];
}

/** Those of the rights that the token lacks at its places. */
export function lacks(rights: readonly Right[], { at }: Standing): Missing[] {
  return rights
    .filter((right) => !right.anyOf.some((privilege) => at[right.on].has.has(privilege)))
    .map((right) => ({ path: at[right.on].path, privileges: [...right.anyOf] }));
}
