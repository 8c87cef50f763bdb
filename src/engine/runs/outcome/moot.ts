import type { Condition, RequestStep } from '../../../core/plan/plan.ts';
import type { StepRecord } from '../../../core/plan/run.ts';
import type { ProxmoxApi } from '../../../core/proxmox.ts';
import { readConfig } from '../../../proxmox/conditions.ts';
import { isFree } from '../../../proxmox/guest/guests.ts';
import { digestOfList, type ListRow } from '../../../proxmox/listed.ts';
import { resolveStep } from './resolve.ts';

type ListProof = Extract<Condition, { kind: 'listed' | 'reads' }>;

/** Why Proxmox would refuse a request that is still on its way; undefined when it would not, or when that cannot be seen. */
export async function whyMoot(step: RequestStep, steps: readonly StepRecord[], api: ProxmoxApi): Promise<string | undefined> {
  const { proof } = step;
  if (proof === undefined) return undefined;
  const digest = digestSent(step, steps);
  if (proof.kind === 'listed' || proof.kind === 'reads') return digest === undefined ? undefined : whyListMoot(proof, digest, api);
  if (!('type' in proof)) return undefined;
  if (digest === undefined && !isBirth(proof)) return undefined;
  const config = await readConfig(api, proof);
  if (isBirth(proof)) {
    const other = config !== undefined && config.lock === undefined && config.name !== proof.has.name;
    return other ? `VMID ${proof.vmid} belongs to another guest` : undefined;
  }
  if (config !== undefined) return config.digest === digest ? undefined : 'the configuration has changed since';
  return (await isFree(api, proof.vmid)) ? `guest ${proof.vmid} no longer exists` : undefined;
}

/** Rules, IP sets and options of a firewall have digests of their own. */
async function whyListMoot(proof: ListProof, digest: unknown, api: ProxmoxApi): Promise<string | undefined> {
  const found = await api.get<ListRow[] | ListRow>(proof.path).catch(() => undefined);
  if (found === undefined) return undefined;
  return (Array.isArray(found) ? digestOfList(found) : found.digest) === digest ? undefined : 'the list has changed since';
}

/** Whether the guest's configuration is still the one that the request names by its digest. */
export async function isUntouched({ proof, ...step }: RequestStep, steps: readonly StepRecord[], api: ProxmoxApi): Promise<boolean> {
  const digest = digestSent(step, steps);
  if (digest === undefined || proof === undefined || !('type' in proof)) return false;
  return (await readConfig(api, proof))?.digest === digest;
}

/** The proof of a guest being created: it has its name, and the lock of its making is gone. */
function isBirth(proof: Condition): proof is Extract<Condition, { kind: 'config' }> {
  return proof.kind === 'config' && proof.has.lock === null && proof.has.name !== undefined;
}

function digestSent(step: RequestStep, steps: readonly StepRecord[]): unknown {
  const { digest } = step.params;
  if (digest === undefined) return undefined;
  return resolveStep({ ...step, params: { digest } }, steps, () => '').params.digest;
}
