import type { Toolset } from '../core/settings/toolset.ts';
import { operations } from './index.ts';
import { PLACES, type Place, roleFor } from './rights.ts';

/** The roles of a token, by kind of place. */
const ROLES: Partial<Record<Place, string>> = { guests: 'McpGuest', storages: 'McpStore', bridges: 'McpNet', nodes: 'McpNode' };

/** The purpose of a token, and the places where it works. */
export interface TokenPlan {
  toolsets: readonly Toolset[];
  /** `user@realm!name`; both are created. */
  tokenId: string;
  /** The pool of the guests. It is created. */
  pool: string;
  /** Templates outside of the pool that may be cloned. */
  templates: readonly string[];
  storages: readonly string[];
  bridges: readonly string[];
  nodes: readonly string[];
  /** Major version of Proxmox VE. Default: 9. */
  major?: number;
}

export type TokenLines = Awaited<ReturnType<typeof tokenLines>>;

/**
 * The lines of `pveum` for root on any node that create roles, pool, user and token, and grant the roles. The boundary is the pool: rights that
 * reach beyond it are left out (docs/rights.md). A privilege-separated token has what both it and its user have, so each line names both.
 */
export async function tokenLines(plan: TokenPlan) {
  const { tokenId, pool, templates, major = 9 } = plan;
  const chosen = operations.filter(({ effect, toolset }) => effect !== 'control' && plan.toolsets.includes(toolset));
  const role = await roleFor(chosen, 'everything', major);
  const own = (place: Place) => (place === 'cluster' ? [] : role[place].filter((privilege) => privilege !== 'Pool.Allocate'));
  const roles = PLACES.flatMap((place) => (own(place).length === 0 ? [] : [{ name: ROLES[place] ?? '', privileges: own(place) }]));
  const clones = templates.length > 0 ? [{ name: 'McpTemplate', privileges: ['VM.Audit', 'VM.Clone'] }] : [];
  const [user = '', token = ''] = tokenId.split('!');
  const has = (name: string) => [...roles, ...clones].some((one) => one.name === name);
  const granted = [
    { name: 'McpGuest', what: 'pool', paths: [`/pool/${pool}`] },
    { name: 'McpTemplate', what: 'templates', paths: templates.map((one) => `/vms/${one}`) },
    { name: 'McpStore', what: 'storages', paths: plan.storages.map((one) => `/storage/${one}`) },
    { name: 'McpNet', what: 'bridges', paths: plan.bridges.map((one) => `/sdn/zones/localnetwork/${one}`) },
    { name: 'McpNode', what: 'nodes', paths: plan.nodes.map((one) => `/nodes/${one}`) },
  ] as const;
  const places = granted.filter(({ name }) => has(name));
  const widest = Math.max(...places.flatMap(({ paths }) => paths.map((path) => path.length)));
  const [guests, ...rest] = roles;
  return {
    create: [
      ...[...(guests ? [guests] : []), ...clones, ...rest].map(
        ({ name, privileges }) => `pveum role add ${name.padEnd(11)} --privs "${privileges.join(' ')}"`,
      ),
      `pveum pool add ${pool} --comment "guests of the MCP server"`,
      `pveum user add ${user} --comment "MCP server"`,
      `pveum user token add ${user} ${token} --privsep 1`,
    ],
    grant: places.flatMap(({ name, what, paths }) =>
      paths.map((path) => ({
        line: `pveum acl modify ${path.padEnd(widest)} --users ${user} --tokens '${tokenId}' --roles ${name}`,
        what,
        path,
      })),
    ),
  };
}
