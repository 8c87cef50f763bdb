import { randomUUID } from 'node:crypto';
import { PLACES, type Place } from '../../src/operations/rights.ts';
import { addToken, grant } from '../../src/simulator/seed/parts.ts';
import { openWorld } from '../../src/simulator/world.ts';
import { send } from '../simulator/client.ts';
import type { TestCluster } from './simulator.ts';

/** A request of the operator's, as root: what `pveum` does on a node. */
export async function asRoot(cluster: TestCluster, method: string, path: string, params: Record<string, string> = {}): Promise<unknown> {
  const { tokenId, tokenSecret } = cluster.connection();
  const query = new URLSearchParams(params).toString();
  const reply = await send(cluster.simulator, {
    method,
    path: `/api2/json${path}${method === 'GET' ? `?${query}` : ''}`,
    headers: {
      Authorization: `PVEAPIToken=${tokenId}=${tokenSecret}`,
      ...(method === 'GET' ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }),
    },
    ...(method === 'GET' ? {} : { body: query }),
  });
  if (reply.status !== 200) throw new Error(`${method} ${path}: ${reply.status} ${reply.reason}`);
  return reply.data;
}

/** Runs a line as the operator would type it: `pveum role add|modify`, `pveum acl modify`; the role's placeholder is filled in. */
export async function pveum(cluster: TestCluster, line: string, role = 'ROLE'): Promise<void> {
  const words = line.match(/'[^']*'|"[^"]*"|\S+/g)?.map((word) => word.replaceAll(/['"]/g, '')) ?? [];
  const [program, what, verb, name = '', ...rest] = words;
  const option = (flag: string) => rest[rest.indexOf(flag) + 1] ?? '';
  if (program !== 'pveum') throw new Error(`not a line for pveum: ${line}`);
  if (what === 'acl' && verb === 'list') return;
  if (what === 'user' && verb === 'token') {
    const [action = '', user = '', token = ''] = [name, ...rest];
    if (action !== 'add') throw new Error(`no test knows the line ${line}`);
    await asRoot(cluster, 'POST', `/access/users/${user}/token/${token}`, { privsep: '1' });
    return;
  }
  if (verb === 'delete') {
    const folder = { user: '/access/users', role: '/access/roles', pool: '/pools' }[what ?? ''];
    await asRoot(cluster, 'DELETE', `${folder}/${name}`);
    return;
  }
  if (what === 'pool' && verb === 'add') {
    await asRoot(cluster, 'POST', '/pools', { poolid: name });
    return;
  }
  if (what === 'user' && verb === 'add') {
    await asRoot(cluster, 'POST', '/access/users', { userid: name });
    return;
  }
  if (what === 'role' && verb === 'add') await asRoot(cluster, 'POST', '/access/roles', { roleid: name, privs: option('--privs') });
  else if (what === 'role' && verb === 'modify')
    await asRoot(cluster, 'PUT', `/access/roles/${name === 'ROLE' ? role : name}`, { privs: option('--privs'), append: '1' });
  else if (what === 'acl' && verb === 'modify')
    await asRoot(cluster, 'PUT', '/access/acl', {
      path: name,
      roles: option('--roles'),
      ...(rest.includes('--users') ? { users: option('--users') } : {}),
      ...(rest.includes('--tokens') ? { tokens: option('--tokens') } : {}),
    });
  else throw new Error(`no test knows the line ${line}`);
}

/**
 * A privilege-separated token of a user of its own, with the same rights for both.
 * @param rights by path: a role that exists, or privileges of which a role is made, named after the path
 */
export async function tokenWith(
  cluster: TestCluster,
  rights: Record<string, string | string[]>,
  name = 'limited',
): Promise<{ id: string; secret: string }> {
  const user = `${name}@pve`;
  const token = { id: `${user}!agent`, secret: randomUUID() };
  // Written where the embedded cluster keeps it: the dozen requests of an operator take longer than most tests that need the token.
  const world = openWorld({ file: cluster.file, now: Date.now, timeScale: 1 });
  try {
    world.write(() => {
      world.put('user', user, { userid: user, enable: 1, expire: 0 });
      addToken(world, token, 1);
      for (const [path, role] of Object.entries(rights)) {
        const roleid = typeof role === 'string' ? role : roleOf(path, name);
        if (typeof role !== 'string') world.put('role', roleid, { roleid, privs: [...role].sort() });
        if (!world.get('role', roleid)) throw new Error(`no role ${roleid}`);
        for (const who of [user, token.id]) grant(world, path, who, roleid);
      }
    });
  } finally {
    world.close();
  }
  return token;
}

/** The name of the role that `tokenWith` made for a path. */
export function roleOf(path: string, name = 'limited'): string {
  return `R-${name}${path.replaceAll('/', '-')}`;
}

const PATHS: Record<Place, string[]> = {
  guests: ['/vms', '/pool'],
  storages: ['/storage'],
  bridges: ['/sdn/zones'],
  nodes: ['/nodes'],
  cluster: ['/'],
};

/** A token that has the role of a toolset at every place of its kind, and nothing but another privilege where the role has none. */
export function tokenWithRole(cluster: TestCluster, role: Record<Place, readonly string[]>): Promise<{ id: string; secret: string }> {
  const at = PLACES.flatMap((place) =>
    PATHS[place]
      .filter((path) => path !== '/' || role[place].length > 0)
      .map((path): [string, string[]] => [path, role[place].length > 0 ? [...role[place]] : ['Permissions.Modify']]),
  );
  return tokenWith(cluster, Object.fromEntries(at));
}
