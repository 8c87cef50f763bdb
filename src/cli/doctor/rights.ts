import type { ProxmoxReader, ProxmoxVersion } from '../../core/proxmox.ts';
import type { Settings } from '../../core/settings/settings.ts';
import { CARE, remedyFor } from '../../proxmox/access/grants.ts';
import { hiddenPools } from '../../proxmox/access/pools.ts';
import { allPrivileges, type Granted, type Missing } from '../../proxmox/access/privileges.ts';
import type { Store } from '../../store/index.ts';
import { hasStore } from '../lib/data-folder.ts';
import { type Check, failed, ok, warn } from './check.ts';
import { lacks, operationRights, standingOf } from './privileges.ts';

/** The operations that the token may execute, and the checks of what it can see. */
export async function abilities(
  api: ProxmoxReader,
  version: ProxmoxVersion,
  settings: Settings,
): Promise<{ can: string[]; checks: Check[] }> {
  const all = await operationRights(version.major, settings.toolsets);
  const standing = await standingOf(api, settings, all);
  const operations = all.map(({ name, needs, more }) => ({ name, missing: lacks(needs, standing), more: lacks(more, standing) }));
  const refused = operations.filter(({ missing }) => missing.length > 0);
  const can = operations.filter(({ missing }) => missing.length === 0).map(({ name }) => name);
  const lines = (missing: readonly Missing[]) => linesFor(missing, settings, standing.granted);
  const further = [...backupSight(operations, settings, lines), ...moreRights(operations, lines)];
  if (refused.length === 0) {
    return { can, checks: [ok('rights', `the token may do all ${operations.length} operations`), ...further] };
  }
  const report = can.length === 0 ? failed : warn;
  // All at once: an operator who runs these lines has nothing left to grant.
  const missing = [...refused.flatMap((one) => one.missing), ...operations.flatMap((one) => one.more)];
  return {
    can,
    checks: [
      report('rights', `the token lacks rights for ${refused.map(({ name }) => name).join(', ')}`, lines(missing)),
      ...refused.map(({ name, missing }) => report(`rights for ${name}`, `missing: ${textOf(missing)}`)),
      ...further,
    ],
  };
}

interface Lacking {
  name: string;
  more: Missing[];
}
type Lines = (missing: readonly Missing[]) => string;

const textOf = (missing: readonly Missing[]) => missing.map((one) => `${one.privileges.join(' or ')} on ${one.path}`).join(', ');

/** Backups that the token cannot see: an answer about them then is not "none". */
function backupSight(operations: readonly Lacking[], settings: Settings, lines: Lines): Check[] {
  const [missing] = operations.flatMap(({ more }) => more.filter(({ privileges }) => privileges.includes('VM.Backup')));
  if (missing === undefined) return [];
  const needed = settings.policy.rules.some((rule) => rule.requireBackupWithin !== undefined);
  const text = `the token lacks VM.Backup on ${missing.path}: it sees no backup of a guest and makes none (backup_storage of delete_vm${needed ? ', requireBackupWithin of the policy' : ''})`;
  return [(needed ? failed : warn)('backups', text, lines([missing]))];
}

/** Rights with which operations can do or tell more. Those on backups and pools have checks of their own. */
function moreRights(operations: readonly Lacking[], lines: Lines): Check[] {
  const isOther = ({ privileges: [first = ''] }: Missing) => first !== 'VM.Backup' && first !== 'Pool.Audit';
  const lacking = operations.map(({ name, more }) => ({ name, more: more.filter(isOther) })).filter(({ more }) => more.length > 0);
  const missing = [...new Map(lacking.flatMap(({ more }) => more.map((one) => [textOf([one]), one]))).values()];
  if (missing.length === 0) return [];
  const names = lacking.map(({ name }) => name).join(', ');
  return [warn('more rights', `${names} can do or tell more with ${textOf(missing)}`, lines(missing))];
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
  const missing = blind.map((name) => ({ path: `/pool/${name}`, privileges: ['Pool.Audit'] }));
  const users = by.length > 0 ? `; used by ${by.join(', ')}` : '';
  const text = `the token lacks Pool.Audit on ${missing.map(({ path }) => path).join(', ')}, so it does not see which guests are in ${blind.length === 1 ? 'this pool' : 'these pools'}${users}`;
  return [(by.length > 0 ? failed : warn)('pools', text, linesFor(missing, settings, await allPrivileges(api)))];
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

async function poolsOfStore(cluster: string, settings: Settings, open: () => Promise<Pick<Store, 'standing' | 'tokens'>>) {
  if (!hasStore(settings)) return [];
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

function linesFor(missing: readonly Missing[], settings: Settings, granted: Granted): string {
  const { lines } = remedyFor(missing, settings.connection.tokenId, { granted, acl: [] });
  const replaces = lines.some((line) => /acl modify \/(?!pool\/)/.test(line));
  return `As root on a node:\n${lines.join('\n')}${replaces ? `\n${CARE}` : ''}`;
}
