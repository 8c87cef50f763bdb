import { fail } from '../../../core/errors.ts';
import type { RequestStep, WaitStep } from '../../../core/plan.ts';
import type { GuestAt } from '../../../proxmox/guests.ts';

/** The first boot of an image takes a minute or two; most of what is longer never comes. */
const ADDRESS_SECONDS = 600;

/** Waits until the guest's own agent tells an address. */
export function addressWait(at: GuestAt, name: string): WaitStep {
  return {
    kind: 'wait',
    id: 'address',
    until: { kind: 'address', type: at.type, vmid: at.vmid, node: at.node },
    timeoutSeconds: ADDRESS_SECONDS,
    purpose: `${name} has an address`,
    mayFail: true,
  };
}

export const NO_AGENT = 'the source does not enable the guest agent, so its address cannot be waited for; the answer has the MAC';

/** Whole disks are written to the storage: two at once. */
export function copyingTo(storage: string): Required<Pick<RequestStep, 'atMost'>> {
  return { atMost: { [`disks to ${storage}`]: 2 } };
}

/** Another call has just made a guest of this name, and Proxmox does not show it yet. */
export function failUnreserved(name: string | undefined): never {
  fail('conflict', `Another call is creating ${name ?? 'this guest'} right now.`, { hint: 'Call again in a few seconds.' });
}
