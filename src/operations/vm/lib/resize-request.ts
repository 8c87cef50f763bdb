import { defined } from '../../../core/defined.ts';
import type { Condition, ParamValue, RequestStep } from '../../../core/plan/plan.ts';
import type { GuestAt } from '../../../proxmox/guest/guests.ts';
import { formatSizeGib } from '../../../proxmox/guest/property-strings.ts';
import { guestRequest } from './guest-request.ts';

/** How long (s) the task may take before a run calls its outcome unknown. */
const RESIZE_SECONDS = 600;

interface Resize {
  id: string;
  disk: string;
  gib: number;
  digest: ParamValue | undefined;
  purpose: string;
  proof: Condition;
}

/** PUT …/resize with the absolute size, so that a repeated request changes nothing. A disk never shrinks. */
export function resizeRequest(at: GuestAt, { id, disk, gib, digest, purpose, proof }: Resize): RequestStep {
  const params = { disk, size: formatSizeGib(gib), ...defined({ digest }) };
  return guestRequest(at, { id, method: 'PUT', path: '/resize', params, purpose, proof, task: 'resize', seconds: RESIZE_SECONDS });
}
