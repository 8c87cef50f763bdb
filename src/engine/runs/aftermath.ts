import { asError } from '../../core/errors.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import type { RunRecord } from '../../core/run.ts';
import { type Guest, type GuestAt, isFree, locate, readGuest } from '../../proxmox/guests.ts';
import { isoNow, type Ports } from '../ports.ts';
import { patiently } from './patience.ts';

/** "Created through this server" is a row of ours with the guest's own key, written once the guest exists, also when a later step failed. */
export async function remember(run: RunRecord, ports: Ports): Promise<void> {
  const { api, name: cluster } = ports.cluster;
  const store = await ports.store();
  if (run.plan.demand && (run.plan.demand.newGuests === 1 || run.plan.continues !== undefined)) {
    const { vmid } = run.plan.demand;
    const reservation = (await store.reservations.all(cluster)).find((r) => r.runId === run.id);
    const at = { vmid, node: reservation?.node ?? '', type: reservation?.type ?? 'qemu' };
    const guest = await patiently(() => readMade(at, api), ports.clock).catch((err) => {
      // While Proxmox is away the run has not ended: forgotten now, the guest could never be finished by the same call.
      if (asError(err).code === 'unreachable') throw err;
      ports.log.warn({ err, run: run.id, vmid }, 'the guest created by this run is not visible, so it is not recorded as created here');
    });
    if (guest) {
      const { key, name } = guest.identity;
      await store.guests.remember({ cluster: cluster, vmid, key, runId: run.id, now: isoNow(ports.clock) });
      if (name !== '') await store.guests.sawName(cluster, { key, name, vmid }, isoNow(ports.clock));
    }
  }
}

/** Undefined for a guest that is gone. */
async function readMade(at: GuestAt, api: ProxmoxApi): Promise<Guest | undefined> {
  try {
    // A clone whose move failed is where it was made.
    return await readGuest(api, at).catch(async () => readGuest(api, await locate(api, at.vmid)));
  } catch (thrown) {
    if (await isFree(api, at.vmid)) return undefined;
    throw thrown;
  }
}

/** A VMID and a name are free again once their guest is gone. */
export async function forget(run: RunRecord, ports: Ports): Promise<void> {
  const { name: cluster } = ports.cluster;
  const store = await ports.store();
  for (const condition of run.plan.expected)
    if (condition.kind === 'guest' && condition.is === 'absent') await store.reservations.releaseGuest(cluster, condition.vmid);
}

/** A run as it ends. */
export type Ended = RunRecord & { endedAt: string };

export const wasMade = ({ steps }: RunRecord): boolean => steps.some(({ state }) => state === 'done');

/** Keeps what an ended run made, and frees what it destroyed. */
export async function takeStock(ended: Ended, ports: Ports): Promise<void> {
  if (wasMade(ended)) await remember(ended, ports);
  if (ended.status === 'succeeded') await forget(ended, ports);
}

/** A run that failed and left nothing gives back what it reserved; else its guest counts until the lists show it. */
export async function reconcileReservations(ended: Ended, ports: Ports): Promise<void> {
  const { reservations } = await ports.store();
  if (ended.status === 'failed' && !(wasMade(ended) && (await isStillThere(ended, ports)))) await reservations.releaseRun(ended.id);
  else await reservations.markMade(ended.id, ended.endedAt);
}

/** A guest that another client deleted while its run failed counts for nothing; where it cannot be asked it counts. */
async function isStillThere({ plan }: RunRecord, ports: Ports): Promise<boolean> {
  if (plan.demand?.newGuests !== 1) return true;
  return !(await isFree(ports.cluster.api, plan.demand.vmid).catch(() => false));
}
