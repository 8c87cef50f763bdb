import { fail } from '../../core/errors/errors.ts';
import { typedName } from '../../core/guest.ts';
import { newGuestsOf, partsOf, requestsOf, targetsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { requirePrivileges } from '../../proxmox/access/privileges.ts';
import { backupRights } from '../../proxmox/access/visibility.ts';
import { backupsOf, noBackupText } from '../../proxmox/backups.ts';
import type { Admission } from '../../store/repositories/runs.ts';
import type { Ports } from '../ports.ts';
import { argsDigest } from '../records.ts';
import type { ChangeCall } from '../types.ts';
import { birthsIn } from './birth.ts';
import { evaluatePolicy, type PolicyDecision } from './policy.ts';

const HOUR_MS = 3_600_000;

/**
 * Checks a plan against the operator's policy before a human is asked: its bans, the age of the backup, the cool-down of identical requests, and
 * the limits on guests that are created or destroyed in an hour.
 * @throws forbidden_by_policy, rate_limited
 */
export async function checkPolicy(plan: Plan, call: Pick<ChangeCall, 'args' | 'caller'>, ports: Ports): Promise<PolicyDecision> {
  const decision = await evaluatePolicy(plan, call.caller, ports);
  await checkBackup(plan, decision, ports);
  await checkCooldown(plan, call, decision, ports);
  const hourly = perHour(plan, ports);
  if (hourly) {
    const whose = { cluster: ports.cluster.name, principal: call.caller.principal };
    hourly.check(await (await ports.store()).runs.since(whose, hourly.since));
  }
  return decision;
}

/** Checked once more at the decision, when the backup may be older, or gone. @throws forbidden_by_policy */
export async function checkBackup(
  plan: Plan,
  { requireBackupWithin }: Pick<PolicyDecision, 'requireBackupWithin'>,
  ports: Ports,
): Promise<void> {
  if (requireBackupWithin === undefined || plan.effect === 'change') return;
  const { api } = ports.cluster;
  if (sends(plan, BACKUP_JOB)) return;
  const asked = targetsOf(plan).filter(({ vmid }) => !backsUpFirst(plan, vmid));
  const births = await birthsIn(ports)(asked.map(({ vmid }) => vmid));
  for (const guest of asked) {
    const known = plan.targets ? undefined : plan.facts?.lastBackup;
    const backups = known ? { newest: known, seen: [], hidden: [] } : await backupsOf(api, guest);
    const last = backups.newest;
    const isFormers = last !== undefined && Date.parse(last) / 1000 < (births.get(guest.vmid)?.at ?? 0);
    if (last && !isFormers && Date.parse(last) >= ports.clock.now() - requireBackupWithin * 1000) continue;
    const hours = Math.round(requireBackupWithin / 360) / 10;
    const of = plan.targets ? ` of ${typedName(guest)}` : '';
    const asks = `The policy requires a backup${of} not older than ${hours} h`;
    const [hidden] = backups.hidden;
    if (!last && backups.seen.length === 0 && hidden !== undefined) {
      await requirePrivileges(api, `${asks}. Seeing one`, backupRights(guest.vmid, hidden));
    }
    fail(
      'forbidden_by_policy',
      `${asks}, but ${last ? `the newest is from ${last}${isFormers ? ', of a former guest of this VMID' : ''}` : noBackupText(backups)}.`,
      {
        hint: 'Create a backup first, for example with backup_storage of delete_vm. Then call again.',
      },
    );
  }
}

/** A backup job is about guests, and its change takes nothing from them. */
const BACKUP_JOB = /^\/cluster\/backup(\/|$)/;
/** A node that reboots interrupts its guests and destroys none. */
const NODE = /^\/nodes\/[^/]+\/status$/;

function sends(plan: Plan, ...paths: RegExp[]): boolean {
  return requestsOf(plan).some(({ path }) => paths.some((one) => one.test(path)));
}

/** The number that `per_hour` counts: each guest, and a call that destroys none as one. */
function destroyedBy(plan: Plan): number {
  if (plan.effect !== 'destroy') return 0;
  return sends(plan, BACKUP_JOB, NODE) ? 1 : Math.max(1, targetsOf(plan).length);
}

/** Whether the plan itself waits for a backup before it continues. */
function backsUpFirst(plan: Plan, vmid: number): boolean {
  return plan.steps.some((step) => step.kind === 'wait' && step.until.kind === 'backup' && step.until.vmid === vmid);
}

async function checkCooldown(
  plan: Plan,
  { args, caller }: Pick<ChangeCall, 'args' | 'caller'>,
  { cooldown }: PolicyDecision,
  ports: Ports,
): Promise<void> {
  // Finishing a half-made guest repeats nothing.
  if (cooldown === undefined || partsOf(plan).some(({ continues }) => continues !== undefined)) return;
  const store = await ports.store();
  const whose = { cluster: ports.cluster.name, principal: caller.principal };
  const since = new Date(ports.clock.now() - cooldown * 1000).toISOString();
  const same = argsDigest(plan.operation, args);
  const [last] = [
    ...(await store.approvals.decidedSince({ ...whose, argsDigest: same }, since))
      // No decision was made about these, so they may be requested again.
      .filter(({ status }) => status !== 'stale' && status !== 'expired')
      .map(({ status, decidedAt }) => ({ status: status as string, at: decidedAt ?? since })),
    // Requests that a standing approval covered, or that need no approval.
    ...(await store.runs.since(whose, since))
      .filter((run) => argsDigest(run.operation, run.args) === same && !madeNothing(run))
      .map(({ status, startedAt }) => ({ status: status as string, at: startedAt })),
  ].sort((a, b) => b.at.localeCompare(a.at));
  if (!last) return;
  const seconds = Math.ceil((Date.parse(last.at) + cooldown * 1000 - ports.clock.now()) / 1000);
  const was = last.status === 'denied' ? 'denied' : `made (${last.status})`;
  fail('rate_limited', `The identical request was ${was} ${cooldown - seconds} s ago. It may be repeated in ${seconds} s.`, {
    details: { retry_after_seconds: seconds },
  });
}

/**
 * The hourly limit of a plan; undefined: no limit. It is checked when the plan is made, so that no human is asked in vain, and
 * once more when its run begins.
 */
export function perHour(plan: Plan, ports: Ports): Admission | undefined {
  const { creates, destroys } = ports.cluster.policy.perHour;
  const makes = newGuestsOf(plan) > 0;
  const limit = makes ? creates : plan.effect === 'destroy' ? destroys : undefined;
  if (limit === undefined) return undefined;
  const since = new Date(ports.clock.now() - HOUR_MS).toISOString();
  return {
    since,
    check(runs) {
      // A deletion that failed may have destroyed something; a guest that was not created does not count.
      const counted = runs.map((run) => (makes ? madeBy(run) : destroyedBy(run.plan)));
      const alike = counted.reduce((sum, one) => sum + one, 0);
      const more = makes ? newGuestsOf(plan) : destroyedBy(plan);
      if (alike + more <= limit) return;
      const asked = more > 1 ? ` This call asks for ${more} more.` : '';
      const what = `${alike} guests were ${makes ? 'created' : 'destroyed'} within the last hour`;
      fail('rate_limited', `${what}. The policy allows ${limit}.${asked}`, { details: { limit, used: alike, since } });
    },
  };
}

/** Guests that a run made, or may have made. */
function madeBy(run: RunRecord): number {
  const parts = partsOf(run.plan).filter(({ demand }) => demand?.newGuests === 1);
  return parts.filter(({ steps }) => {
    if (!run.plan.makes) return !madeNothing(run);
    // Another guest of the run may be done, or its outcome unknown.
    const own = run.steps.filter((record) => steps.some(({ id }) => id === record.id));
    return run.status === 'executing' || own.some(({ state }) => state !== 'failed');
  }).length;
}

/** Proxmox refused the first request, for example because another client had taken the VMID that the server chose. */
function madeNothing({ status, steps }: Pick<RunRecord, 'status' | 'steps'>): boolean {
  return status === 'failed' && !steps.some(({ state }) => state === 'done');
}
