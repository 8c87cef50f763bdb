import { asError, fail } from '../../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../../core/proxmox.ts';
import { plainText } from '../../../../core/text/text.ts';
import { allPrivileges, requirePrivileges } from '../../../../proxmox/access/privileges.ts';

/**
 * Refuses a pool in which no guest can be made, before anything is sent.
 * @throws not_possible for a pool that does not exist, with those that the token may use; permission_denied
 */
export async function refuseUnusablePool(api: ProxmoxReader, pool: string | undefined): Promise<void> {
  if (pool === undefined) return;
  if (!(await poolExists(api, pool))) {
    const usable = await usablePools(api);
    fail('not_possible', `Pool ${pool} does not exist.`, {
      hint: usable.length > 0 ? `Choose one of: ${usable.join(', ')}.` : `The operator creates it: pveum pool add ${pool}`,
      details: { candidates: usable },
    });
  }
  await requirePrivileges(api, `Making a guest in pool ${pool}`, [{ path: `/pool/${pool}`, anyOf: ['VM.Allocate'] }]);
}

/** Every token gets an answer to `GET /pools?poolid=`, with names and states of all members, none of which is passed on. */
async function poolExists(api: ProxmoxReader, pool: string): Promise<boolean> {
  try {
    await api.get('/pools', { poolid: pool });
    return true;
  } catch (thrown) {
    const { code } = asError(thrown);
    if (code === 'not_possible') return false;
    // Older versions do not know the parameter, or ask for Pool.Audit: the request itself will show it.
    if (code === 'unsupported_version' || code === 'permission_denied' || code === 'invalid_arguments') return true;
    throw thrown;
  }
}

/** Pools on which the token has VM.Allocate itself; where it has it on all, the list shows those with Pool.Audit. */
async function usablePools(api: ProxmoxReader): Promise<string[]> {
  const [granted, listed] = await Promise.all([
    allPrivileges(api),
    api.get<{ poolid?: string }[]>('/pools').catch((): { poolid?: string }[] => []),
  ]);
  const own = Object.entries(granted).flatMap(([path, has]) =>
    path.startsWith('/pool/') && 'VM.Allocate' in has ? [path.slice('/pool/'.length)] : [],
  );
  const all = 'VM.Allocate' in (granted['/pool'] ?? {}) ? listed.map(({ poolid }) => plainText(String(poolid ?? ''), 80)) : [];
  return [...new Set([...own, ...all])].filter((pool) => pool !== '').sort();
}
