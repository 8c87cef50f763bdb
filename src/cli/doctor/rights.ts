import type { ProxmoxReader, ProxmoxVersion } from '../../core/proxmox.ts';
import type { Settings } from '../../core/settings.ts';
import { CARE, remedyFor } from '../../proxmox/access/grants.ts';
import { hiddenPools } from '../../proxmox/access/pools.ts';
import type { Missing } from '../../proxmox/access/privileges.ts';
import type { Store } from '../../store/index.ts';
import { hasStore } from '../lib/data-folder.ts';
import type { Check } from './local.ts';
import { lacks, OPERATION_RIGHTS, SIGHT_RIGHTS, type Standing, standingOf } from './privileges.ts';

/** The operations that the token may execute, and the checks of what it can see. */
export interface Abilities {
  checks: Check[];
  can: string[];
}

export async function abilities(api: ProxmoxReader, version: ProxmoxVersion, settings: Settings): Promise<Abilities> {
  const standing = await standingOf(api, settings);
  const operations = Object.entries(OPERATION_RIGHTS).map(([name, rights]) => ({ name, missing: lacks(rights, standing, version.major) }));
  const refused = operations.filter(({ missing }) => missing.length > 0);
  const can = operations.filter(({ missing }) => missing.length === 0).map(({ name }) => name);
  const blind = lacks(Object.values(SIGHT_RIGHTS).flat(), standing, version.major).map((one) => agentRight(one, version.major));
  const sight = blindness(standing, settings, version.major);
  if (refused.length === 0) {
    return { can, checks: [{ name: 'rights', state: 'ok', text: `the token may do all ${operations.length} operations` }, ...sight] };
  }
  const state = can.length === 0 ? 'fail' : 'warn';
  // All at once: who runs these lines has nothing left to grant.
  const all = [...refused.flatMap(({ missing }) => missing), ...blind];
  return {
    can,
    checks: [
      {
        name: 'rights',
        state,
        text: `the token lacks rights for ${refused.map(({ name }) => name).join(', ')}`,
        next: linesFor(all, settings, standing),
      },
      ...refused.map(
        ({ name, missing }): Check => ({
          name: `rights for ${name}`,
          state,
          text: `missing: ${missing.map((m) => `${m.privileges.join(' or ')} on ${m.path}`).join(', ')}`,
        }),
      ),
      ...sight,
    ],
  };
}

/** On 8.x VM.Monitor stands for the guest agent's privileges, which 9.x does not know under that name. */
function agentRight(missing: Missing, major: number): Missing {
  return major < 9 && missing.privileges.includes('VM.Monitor') ? { ...missing, privileges: ['VM.Monitor'] } : missing;
}

/** Backups that the token cannot see: what is said about them then is not "none". */
function blindness(standing: Standing, settings: Settings, major: number): Check[] {
  const missing = lacks(SIGHT_RIGHTS.backups, standing, major);
  if (missing.length === 0) return [];
  const needed = settings.policy.rules.some((rule) => rule.requireBackupWithin !== undefined);
  return [
    {
      name: 'backups',
      state: needed ? 'fail' : 'warn',
      text: `the token lacks VM.Backup on ${missing[0]?.path}: it sees no backup of a guest and makes none (backup_storage of delete_vm${needed ? ', requireBackupWithin of the policy' : ''})`,
      next: linesFor(missing, settings, standing),
    },
  ];
}

/**
 * The pool of a guest shows with Pool.Audit only: without it a rule, quota, scope or standing approval by pool cannot be evaluated.
 * @param store undefined where there is none yet
 */
export async function poolSight(
  api: ProxmoxReader & { cluster: string },
  settings: Settings,
  store: () => Promise<Pick<Store, 'standing' | 'tokens'>>,
): Promise<Check[]> {
  const uses = [...poolsOfSettings(settings), ...(await poolsOfStore(api.cluster, settings, store))];
  const { pool } = settings.defaults;
  const names = [...new Set([...uses.map((use) => use.pool), ...(pool === undefined ? [] : [pool])])];
  const blind = [...(await hiddenPools(api, names))];
  if (blind.length === 0) return [];
  const by = [...new Set(uses.filter((use) => blind.includes(use.pool)).map((use) => use.by))];
  const standing = await standingOf(api, settings);
  return [
    {
      name: 'pools',
      state: by.length > 0 ? 'fail' : 'warn',
      text: `the token lacks Pool.Audit on ${blind.map((name) => `/pool/${name}`).join(', ')}, so it does not see which guests are in ${blind.length === 1 ? 'this pool' : 'these pools'}${by.length > 0 ? `; used by ${by.join(', ')}` : ''}`,
      next: linesFor(
        blind.map((name) => ({ path: `/pool/${name}`, privileges: ['Pool.Audit'] })),
        settings,
        standing,
      ),
    },
  ];
}

interface PoolUse {
  pool: string;
  by: string;
}

function poolsOfSettings({ policy, limits }: Settings): PoolUse[] {
  return [
    ...policy.rules.flatMap((rule) => (rule.match.pool ?? []).map((pool) => ({ pool, by: 'a rule of the policy' }))),
    ...(policy.only?.pools ?? []).map((pool) => ({ pool, by: '"only" of the policy' })),
    ...(limits.scope.kind === 'pool' ? [{ pool: limits.scope.pool, by: 'PROXMOX_QUOTA_SCOPE' }] : []),
  ];
}

async function poolsOfStore(cluster: string, { dataDir, databaseUrl }: Settings, open: () => Promise<Pick<Store, 'standing' | 'tokens'>>) {
  if (!hasStore({ dataDir, databaseUrl })) return [];
  const store = await open();
  const now = new Date().toISOString();
  const [standing, tokens] = await Promise.all([store.standing.open(cluster, now), store.tokens.list()]);
  return [
    ...standing.flatMap(({ id, pool }) => (pool === undefined ? [] : [{ pool, by: `standing approval ${id}` }])),
    ...tokens
      .filter((token) => token.revokedAt === undefined && token.expiresAt > now)
      .flatMap(({ name, scope }) => (scope?.pools ?? []).map((pool) => ({ pool, by: `the scope of access token ${name}` }))),
  ];
}

function linesFor(missing: readonly Missing[], settings: Settings, { granted }: Standing): string {
  const { lines } = remedyFor(missing, settings.connection.tokenId, { granted, acl: [] });
  const replaces = lines.some((line) => /acl modify \/(?!pool\/)/.test(line));
  return `As root on a node:\n${lines.join('\n')}${replaces ? `\n${CARE}` : ''}`;
}
