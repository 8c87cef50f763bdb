import { fail } from '../core/errors.ts';
import type { Plan } from '../core/plan.ts';
import type { ChangeCall } from './change.ts';
import { type Verdict, verdictOn } from './policy.ts';
import { isoNow, type Ports } from './ports.ts';
import { argsDigest } from './records.ts';

const HOUR_MS = 3_600_000;

/**
 * Everything the operator's policy says about a plan before anybody is asked: what is never allowed, the age of the backup, the cool-down of
 * identical requests, and how many guests may be made or destroyed in an hour.
 * @throws forbidden_by_policy, rate_limited
 */
export async function checkPolicy(plan: Plan, call: Pick<ChangeCall, 'args' | 'caller'>, ports: Ports): Promise<Verdict> {
  const verdict = await verdictOn(plan, call.caller, ports);
  checkBackup(plan, verdict, ports);
  await checkCooldown(plan, call, verdict, ports);
  await checkPerHour(plan, call, ports);
  return verdict;
}

function checkBackup(plan: Plan, { requireBackupWithin }: Verdict, ports: Ports): void {
  if (requireBackupWithin === undefined || plan.effect === 'change') return;
  const last = plan.facts?.lastBackup;
  const hours = Math.round(requireBackupWithin / 360) / 10;
  if (!last || Date.parse(last) < ports.clock.now() - requireBackupWithin * 1000) {
    fail(
      'forbidden_by_policy',
      `The policy asks for a backup not older than ${hours} h; ${last ? `the newest is of ${last}` : 'none was found'}.`,
      {
        hint: 'Make a backup first (delete_vm can do it: backup_storage), then call again.',
      },
    );
  }
}

async function checkCooldown(
  plan: Plan,
  { args, caller }: Pick<ChangeCall, 'args' | 'caller'>,
  { cooldown }: Verdict,
  ports: Ports,
): Promise<void> {
  if (cooldown === undefined) return;
  const since = new Date(ports.clock.now() - cooldown * 1000).toISOString();
  const [last] = await (await ports.store()).approvals.decidedSince(caller.principal, argsDigest(plan.operation, args), since);
  if (!last?.decidedAt) return;
  const seconds = Math.ceil((Date.parse(last.decidedAt) + cooldown * 1000 - ports.clock.now()) / 1000);
  fail('rate_limited', `The identical request was ${last.status} ${cooldown - seconds} s ago; it may be repeated in ${seconds} s.`, {
    details: { retry_after_seconds: seconds },
  });
}

async function checkPerHour(plan: Plan, { caller }: Pick<ChangeCall, 'caller'>, ports: Ports): Promise<void> {
  const { creates, destroys } = ports.settings.policy.perHour;
  const makes = plan.demand?.newGuests === 1;
  const limit = makes ? creates : plan.effect === 'destroy' ? destroys : undefined;
  if (limit === undefined) return;
  const runs = await (await ports.store()).runs.since(caller.principal, new Date(ports.clock.now() - HOUR_MS).toISOString());
  const alike = runs.filter((run) => (makes ? run.plan.demand?.newGuests === 1 : run.plan.effect === 'destroy')).length;
  if (alike >= limit) {
    fail('rate_limited', `${alike} guests were ${makes ? 'made' : 'destroyed'} within the last hour; the policy allows ${limit}.`, {
      details: { limit, used: alike, since: isoNow(ports.clock) },
    });
  }
}
