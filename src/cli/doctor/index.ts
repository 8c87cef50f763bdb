import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { needsApproval } from '../../core/plan/effect.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import type { Quotas } from '../../core/settings/limits.ts';
import { clusterNameOf, type Settings } from '../../core/settings/settings.ts';
import type { Session } from '../../engine/session.ts';
import { operations } from '../../operations/index.ts';
import { hasStore } from '../lib/data-folder.ts';
import { configure, type GlobalOptions, onlyCluster, pinOf } from '../lib/options.ts';
import { withSession } from '../lib/session.ts';
import { paint } from '../terminal/look.ts';
import { type Exit, isForPeople, print, printJson } from '../terminal/output.ts';
import { wrap } from '../terminal/wrap.ts';
import { type Habits, habitsCheck, type PolicyRow, policyRows } from './approvals.ts';
import { type Check, faultOf, ok, warn } from './check.ts';
import { certificates, material, quotaChecks, sameClusterChecks } from './cluster.ts';
import { localChecks, settingRows } from './local.ts';
import { abilities, poolSight } from './rights.ts';
import { leftRunsCheck, openRunsCheck } from './runs.ts';

/** `doctor`: tests one thing after another and ends with what works now, or with the first thing that is missing. */
export async function doctor(options: GlobalOptions): Promise<Exit> {
  const found = await diagnose(options);
  if (isForPeople()) await show(found);
  else printJson(found);
  return found.ok ? 0 : 1;
}

export interface Diagnosis {
  ok: boolean;
  /** The operations that work. */
  can: string[];
  /** The first failure, else the first warning. */
  missing?: Check;
  checks: Check[];
  approvals?: Habits;
  policy: PolicyRow[];
  settings: ReturnType<typeof settingRows>;
}

export async function diagnose(options: GlobalOptions): Promise<Diagnosis> {
  const configured = configure(options);
  const checks = await localChecks(configured);
  const can: string[] = [];
  try {
    await clusterChecks(options, checks, can);
  } catch (thrown) {
    checks.push(faultOf('connection', thrown));
  }
  const { check, habits } = await habitsCheck(configured.settings, Date.now());
  if (check) checks.push(check);
  // Every change and every decision begins in the store.
  if (check?.name === 'store' && check.state === 'fail') can.splice(0, can.length, ...can.filter(isRead));
  const policy = policyRows(configured.settings);
  const settings = settingRows(configured);
  const missing = checks.find((check) => check.state === 'fail') ?? checks.find((check) => check.state === 'warn');
  const ok = !checks.some((check) => check.state === 'fail');
  return { ok, can, ...defined({ missing }), checks, ...defined({ approvals: habits }), policy, settings };
}

function clusterChecks(options: GlobalOptions, checks: Check[], can: string[]): Promise<void> {
  return withSession(options, async (session) => {
    const { clusters } = session.settings;
    if (!clusters) return void (await checkCluster(session, undefined, checks, can));
    const found = await Promise.all(clusters.map(({ name }) => checkNamed(session, name)));
    const served = found.flatMap(({ identity = [] }) => identity);
    checks.push(...found.flatMap((one) => one.checks));
    can.push(...operations.map(({ name }) => name).filter((name) => found.some((one) => one.can.includes(name))));
    checks.push(...sameClusterChecks(served));
    checks.push(...(await leftRunsCheck(session.settings, served).catch(notMade)));
    for (const text of session.notices()) checks.push(warn('certificate', text));
  });
}

/** The checks of one of several clusters, which name it; a failure is a finding, and the other clusters are checked all the same. */
async function checkNamed(session: Session, cluster: string): Promise<{ checks: Check[]; can: string[]; identity?: string }> {
  const checks: Check[] = [];
  const can: string[] = [];
  const identity = await checkCluster(session, cluster, checks, can).catch((thrown: unknown) => {
    checks.push(faultOf('connection', thrown));
    return undefined;
  });
  const next = (text: string) => text.replaceAll('proxmox-mcp trust', `proxmox-mcp trust --cluster ${cluster}`);
  const named = checks.map((one) => ({ ...one, name: `${cluster}: ${one.name}`, ...(one.next ? { next: next(one.next) } : {}) }));
  return { can, checks: named, ...defined({ identity }) };
}

/**
 * @param cluster its name where PROXMOX_CLUSTERS_FILE gives it one
 * @returns its identity, if it answered
 */
async function checkCluster(session: Session, cluster: string | undefined, checks: Check[], can: string[]): Promise<string | undefined> {
  const settings = onlyCluster(session.settings, cluster);
  const { openTrustStore } = await import('../../proxmox/trust/store.ts');
  const pinned = () => openTrustStore(settings.dataDir).get(pinOf(settings));
  const tls = await certificates(settings, pinned());
  checks.push(...tls);
  if (tls.length > 0 && tls.every((check) => check.state === 'fail')) return undefined;
  const api = await session.connect(cluster);
  const version = await api.version();
  const where = settings.demo ? 'the embedded cluster' : clusterNameOf(settings.connection);
  checks.push(ok('connection', `${where} answers: Proxmox VE ${version.version}, token ${settings.connection.tokenId}`));
  if (version.major < 7) fail('unsupported_version', `Proxmox VE ${version.version} is too old. The minimum is 7.0.`);
  const rights = await abilities(api, version, settings);
  checks.push(...rights.checks);
  checks.push(...(await poolSight(api, settings, session.store).catch(notMade)));
  checks.push(...(await quotasNow(session, cluster, settings, api).then(quotaChecks).catch(notMade)));
  checks.push(...(await material(api, settings).catch(notMade)));
  checks.push(...(await openRunsCheck(settings, api.cluster).catch(notMade)));
  can.push(...rights.can.filter((name) => !settings.readOnly || isRead(name)));
  // With several clusters each notice names its own, and all are shown together at the end.
  const notices = cluster === undefined ? session.notices() : [];
  // The first use has pinned what was "not pinned yet" at the beginning.
  if (notices.length > 0) checks.splice(checks.indexOf(tls[0] as Check), tls.length, ...(await certificates(settings, pinned())));
  for (const notice of notices) checks.push(warn('certificate', notice));
  return api.cluster;
}

/** A diagnosis creates no store. */
async function quotasNow({ engine }: Session, cluster: string | undefined, settings: Settings, api: ProxmoxApi): Promise<Quotas> {
  if (hasStore(settings)) return engine.quotas(engine.clusters.length > 0 ? cluster : undefined);
  const { quotasOf, takeInventoryWithoutStore } = await import('../../engine/limits/quotas.ts');
  const counted = { api, limits: settings.limits };
  return quotasOf(await takeInventoryWithoutStore(counted), counted);
}

function isRead(name: string): boolean {
  return operations.some((operation) => operation.name === name && operation.effect === 'read');
}

/** A check that could not be made is a finding, and the others continue. */
const notMade = (thrown: unknown): Check[] => [faultOf('cluster', thrown, 'warn')];

const MARKS = {
  ok: ['green', 'ok  '],
  note: ['cyan', 'note'],
  warn: ['yellow', 'WARN'],
  fail: ['red', 'FAIL'],
} as const;

async function show({ checks, policy, settings, can, missing }: Diagnosis): Promise<void> {
  const { table } = await import('../terminal/table.ts');
  for (const check of checks) {
    const { state, name, text, next } = check;
    // Wrapped before it is painted: escapes have no width.
    const [style, mark] = MARKS[state];
    print(`${paint(style, mark)}${wrap(`${mark}  ${name}: ${text}`, { indent: '      ' }).slice(mark.length)}`);
    // The first step is at the end, where it is read.
    if (next && state !== 'ok' && check !== missing) print(advice(next));
  }
  const rules = policy.map(({ match, demands }) => [match, demands]);
  const values = settings.map(({ variable, value, source }) => [variable, value, source]);
  print(`\n${table(['policy for', 'demands'], rules)}`);
  print(`\n${table(['setting', 'value', 'from'], values)}\n`);
  const first = missing?.next ? `. Do this:\n${advice(missing.next)}` : '.';
  if (missing?.state === 'fail') print(`First problem: ${missing.name}${first}`);
  else {
    const asks = (name: string) => operations.some((o) => o.name === name && o.effect !== 'control' && needsApproval(o.effect));
    print(wrap(`You can now: ${can.map((name) => (asks(name) ? `${name} (asks first)` : name)).join(', ')}.`));
    if (missing) print(`Warning: ${missing.name}${first}`);
  }
}

/** Indented and wrapped, but for commands: they are copied whole. */
function advice(text: string): string {
  const line = (one: string) => (one.startsWith('pveum ') ? `        ${one}` : wrap(`        ${one}`, { indent: '        ' }));
  return text.split('\n').map(line).join('\n');
}
