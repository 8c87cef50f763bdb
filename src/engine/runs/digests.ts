import type { Clock } from '../../core/clock.ts';
import { fail } from '../../core/errors.ts';
import type { RequestStep } from '../../core/plan.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import type { Journal } from './journal.ts';
import { patiently } from './patience.ts';
import { isFromRef, stepOf } from './resolve.ts';

/**
 * Records the digest of the configuration that a step changes, where the plan could not know it: the guest was created by a step before. With
 * it a request that is executed late, or twice, is refused once anything else has changed the configuration.
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
  const now = await patiently(async () => {
    const config = await api.get<{ digest?: string }>(step.path.replace(/\/[^/]+$/, '/config'));
    return config.digest ?? fail('proxmox_refused', `${step.purpose}: the configuration has no digest, so the request was not sent.`);
  }, clock);
  await journal.write({ ...record, data: { ...known, digest: now } });
}
