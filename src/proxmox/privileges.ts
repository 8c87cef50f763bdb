import type { ProxmoxReader } from '../core/proxmox.ts';

/** Privileges of which one suffices, on one path of the permission tree (`/vms/105`, `/storage/local`). */
export interface Want {
  path: string;
  anyOf: string[];
}
/** As it appears in error details: one of the privileges is missing on the path. */
export interface Missing {
  path: string;
  privileges: string[];
}

/**
 * Which wishes the token's rights do not cover, by GET /access/permissions for each concrete path; rights through pools are included
 * for guests that exist. A privilege that is listed is granted: its value is only the propagate flag.
 */
export async function missingPrivileges(api: Pick<ProxmoxReader, 'get'>, wants: readonly Want[]): Promise<Missing[]> {
  const paths = [...new Set(wants.map((want) => want.path))];
  const granted = new Map(await Promise.all(paths.map(async (path) => [path, await privilegesAt(api, path)] as const)));
  return wants
    .filter((want) => !want.anyOf.some((privilege) => granted.get(want.path)?.has(privilege)))
    .map((want) => ({ path: want.path, privileges: want.anyOf }));
}

/** The token's effective privileges on one path. */
export async function privilegesAt(api: Pick<ProxmoxReader, 'get'>, path: string): Promise<Set<string>> {
  const answer = await api.get<Record<string, Record<string, unknown>>>('/access/permissions', { path });
  return new Set(Object.keys(answer[path] ?? {}));
}

/**
 * The lines that grant what is missing, for root on any node. A privilege-separated token has the intersection of its own rights and
 * its user's, so both get the role.
 *
 * @param tokenId `user@realm!name`
 */
export function grantLines(missing: readonly Missing[], tokenId: string): string[] {
  const user = tokenId.split('!')[0];
  const lines = missing.flatMap(({ path, privileges: [privilege = ''] }) => {
    const role = `Mcp-${privilege}`;
    return [
      `pveum role add ${role} --privs ${privilege}`,
      `pveum acl modify ${path} --users ${user} --tokens '${tokenId}' --roles ${role}`,
    ];
  });
  return [...new Set(lines)];
}
