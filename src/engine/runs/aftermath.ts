import type { RunRecord } from '../../core/run.ts';
import { isFree, locate, readGuest } from '../../proxmox/guests.ts';
import { isoNow, type Ports } from '../ports.ts';

/** "Created through this server" is a row of ours with the guest's own key, written once the guest exists, also when a later step failed. */
export async function remember(run: RunRecord, ports: Ports): Promise<void> {
  const [api, store] = await Promise.all([ports.api(), ports.store()]);
  if (run.plan.demand && (run.plan.demand.newGuests === 1 || run.plan.continues !== undefined)) {
    const { vmid } = run.plan.demand;
    const reservation = (await store.reservations.all(api.cluster)).find((r) => r.runId === run.id);
    const guest = await readGuest(api, { vmid, node: reservation?.node ?? '', type: reservation?.type ?? 'qemu' })
      // A clone whose move failed is where it was made.
      .catch(async () => readGuest(api, await locate(api, vmid)))
      .catch(() => undefined);
    if (guest) {
      const { key, name } = guest.identity;
      await store.guests.remember({ cluster: api.cluster, vmid, key, runId: run.id, now: isoNow(ports.clock) });
      if (name !== '') await store.guests.sawName(api.cluster, { key, name, vmid }, isoNow(ports.clock));
    }
  }
}

/** A VMID and a name are free again once their guest is gone. */
export async function forget(run: RunRecord, ports: Ports): Promise<void> {
  const [api, store] = await Promise.all([ports.api(), ports.store()]);
  const gone = run.plan.expected.find((c) => c.kind === 'guest' && c.is === 'absent');
  if (gone) await store.reservations.releaseGuest(api.cluster, gone.vmid);
}

/** A run that failed and left nothing gives back what it reserved; else its guest counts until the lists show it. */
export async function settleReservations(
  run: RunRecord,
  { made, failed }: { made: boolean; failed: boolean },
  now: string,
  ports: Ports,
): Promise<void> {
  const store = await ports.store();
  if (failed && !(made && (await isStillThere(run, ports)))) await store.reservations.releaseRun(run.id);
  else await store.reservations.markMade(run.id, now);
}

/** A guest that another client deleted while its run failed counts for nothing; where it cannot be asked it counts. */
async function isStillThere({ plan }: RunRecord, ports: Ports): Promise<boolean> {
  if (plan.demand?.newGuests !== 1) return true;
  return !(await isFree(await ports.api(), plan.demand.vmid).catch(() => false));
}
