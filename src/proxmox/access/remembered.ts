import type { GetApi, ResolvedRequest } from '../../core/proxmox.ts';

export type Privileges = ReadonlySet<string>;
/** The token's privileges on a path; undefined where they cannot be read. */
export type Has = (path: string) => Privileges | undefined;

interface Memory {
  /** Requests on their way: an equal one waits for the same answer. */
  asked: Map<string, Promise<Privileges>>;
  read: Map<string, { at: number; has: Privileges }>;
}

/** How long (ms) a privilege that was granted counts as granted. */
const REMEMBERED_MS = 30_000;
const memories = new WeakMap<GetApi, Memory>();

function memoryOf(api: GetApi): Memory {
  const memory = memories.get(api) ?? { asked: new Map(), read: new Map() };
  memories.set(api, memory);
  return memory;
}

/** Lets a reader that shows less of the cluster share what is known of the token behind it. */
export function sameToken<T extends GetApi>(reader: T, api: GetApi): T {
  memories.set(reader, memoryOf(api));
  return reader;
}

/** The token's effective privileges on one path, as they are now. */
export function privilegesAt(api: GetApi, path: string): Promise<Privileges> {
  const { asked, read } = memoryOf(api);
  const ask = async () => {
    read.delete(path);
    const granted = await api.get<Record<string, Record<string, unknown>>>('/access/permissions', { path });
    const has = new Set(Object.keys(granted[path] ?? {}));
    // A change that was sent meanwhile may have changed the rights. Forgetting them also forgot this request.
    if (asked.get(path) === asking) read.set(path, { at: Date.now(), has });
    return has;
  };
  const asking =
    asked.get(path) ??
    ask().finally(() => {
      if (asked.get(path) === asking) asked.delete(path);
    });
  asked.set(path, asking);
  return asking;
}

/**
 * Finds something by the token's privileges. Those that were read within 30 s count as long as nothing is missing. Otherwise they are read
 * again, so that a right which the operator has just granted counts at once.
 */
export async function byLatePrivileges<T>(
  api: GetApi,
  paths: readonly string[],
  find: (has: Has) => T,
  isComplete: (found: T) => boolean,
): Promise<T> {
  const { read } = memoryOf(api);
  const since = Date.now() - REMEMBERED_MS;
  const known = new Map<string, Privileges | undefined>();
  for (const path of paths) {
    const seen = read.get(path);
    if (seen && seen.at > since) known.set(path, seen.has);
  }
  const has = (path: string) => known.get(path);
  const old = [...known.keys()];
  const look = (places: readonly string[]) =>
    Promise.all(places.map(async (path) => known.set(path, await privilegesAt(api, path).catch(() => undefined))));
  await look([...new Set(paths)].filter((path) => !old.includes(path)));
  const found = find(has);
  if (old.length === 0 || isComplete(found)) return found;
  await look(old);
  return find(has);
}

/** Whether a change may change the token's rights: of a pool's members, of an ACL, or the deletion of a guest. */
export function changesRights({ method, path, params }: ResolvedRequest): boolean {
  return method === 'DELETE' || !path.startsWith('/nodes/') || params.pool !== undefined;
}

export function forgetPrivileges(api: GetApi): void {
  const { asked, read } = memoryOf(api);
  asked.clear();
  read.clear();
}
