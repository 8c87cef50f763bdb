import type { Clock } from '../../../core/clock.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { FromRef, RequestStep } from '../../../core/plan/plan.ts';
import type { ProxmoxApi } from '../../../core/proxmox.ts';
import { contentOf, digestOfList, type ListRow } from '../../../proxmox/listed.ts';
import { isFromRef, stepOf } from '../outcome/resolve.ts';
import type { Journal } from './journal.ts';
import { patiently } from './patience.ts';

/**
 * Records the digest of the configuration that a step changes, where the plan could not know it: an earlier step created the guest. With
 * it Proxmox refuses a request that arrives late, or twice, once anything else has changed the configuration.
 */
export async function noteDigest(
  step: RequestStep,
  journal: Pick<Journal, 'find' | 'write'>,
  api: ProxmoxApi,
  clock: Clock,
): Promise<void> {
  const { digest } = step.params;
  if (digest === undefined || !isFromRef(digest)) return;
  const record = journal.find(stepOf(digest));
  const known = (record?.data ?? {}) as { digest?: string };
  if (!record || known.digest !== undefined) return;
  const { of } = digest;
  const now = await (of === undefined ? ofConfig(step, api, clock) : ofList({ ...digest, of }, step, api, clock));
  await journal.write({ ...record, data: { ...known, digest: now } });
}

function ofConfig(step: RequestStep, api: ProxmoxApi, clock: Clock): Promise<string> {
  return patiently(async () => {
    const config = await api.get<{ digest?: string }>(step.path.replace(/\/[^/]+$/, '/config'));
    return config.digest ?? fail('proxmox_refused', `${step.purpose}: the configuration has no digest, so the request was not sent.`);
  }, clock);
}

/** One answer brings rows and digest: nothing comes between the look at the rows and the digest that is sent. */
async function ofList({ of, is }: FromRef & { of: string }, step: RequestStep, api: ProxmoxApi, clock: Clock): Promise<string> {
  const rows = await patiently(() => api.get<ListRow[]>(of), clock);
  if (contentOf(rows) === is) return digestOfList(rows);
  return fail('guest_state', `Another client changed ${of}, so "${step.purpose}" was not sent.`, {
    hint: 'Read the firewall with get_vm, then ask again for what is missing.',
  });
}
