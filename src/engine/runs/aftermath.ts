import { asError } from '../../core/errors/errors.ts';
import { partsOf, requestsOf, targetsOf } from '../../core/plan/parts.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import type { ProxmoxApi } from '../../core/proxmox.ts';
import { type Guest, type GuestAt, isFree, locate, readGuest } from '../../proxmox/guest/guests.ts';
import { birthsIn, lifeOf } from '../limits/birth.ts';
import { isoNow, type Ports } from '../ports.ts';
import { patiently } from './steps/patience.ts';

/** "Created through this server" is a row of ours with the guest's own key, written once the guest exists, also when a later step failed. */
export async function remember(run: RunRecord, ports: Ports): Promise<void> {
  for (const part of partsOf(run.plan)) if (!run.plan.makes || isBegun(part, run)) await rememberOne(part, run, ports);
}

async function rememberOne({ demand, continues }: Plan, run: RunRecord, ports: Ports): Promise<void> {
  if (!demand || (demand.newGuests !== 1 && continues === undefined)) return;
  const { api, name: cluster } = ports.cluster;
  const { reservations, guests } = await ports.store();
  const { vmid } = demand;
  const reservation = (await reservations.all(cluster)).find((r) => r.runId === run.id && r.vmid === vmid);
  const at = { vmid, node: reservation?.node ?? '', type: reservation?.type ?? 'qemu' };
  const guest = await patiently(() => readMade(at, api), ports.clock).catch((err) => {
    // While Proxmox is away the run has not ended: without this record the same call could never finish the guest.
    if (asError(err).code === 'unreachable') throw err;
    ports.log.warn({ err, run: run.id, vmid }, 'the guest created by this run is not visible, so it is not recorded as created here');
  });
  if (!guest) return;
  const { key, name } = guest.identity;
  await guests.remember({ ...lifeOf(run, vmid), cluster, key, runId: run.id });
  if (name !== '') await guests.sawName(cluster, { key, name, vmid }, isoNow(ports.clock));
}

/** Requests after which a container, whose VMID is in the path, may have other NICs or another root volume and still be the same one. */
const KEEPS_CONTAINER = /\/lxc\/(\d+)\/(?:config|move_volume|migrate|template|status\/\w+|snapshot\/[^/]+\/rollback)$/;

/** A container is known by its NICs and its root volume. One that was created here stays so when a run changes these, also one that fails later. */
async function rememberChanged(run: RunRecord, ports: Ports): Promise<void> {
  const { api, name: cluster } = ports.cluster;
  const { guests } = await ports.store();
  const done = requestsOf(run.plan).filter(({ id }) => run.steps.some((record) => record.id === id && record.state === 'done'));
  const changed = done.map(({ path }) => Number(KEEPS_CONTAINER.exec(path)?.[1]));
  for (const { type, vmid, node, key } of targetsOf(run.plan)) {
    if (type !== 'lxc' || !(changed.includes(vmid) || (await isRestored(run, vmid, ports)))) continue;
    if (!(await guests.made(cluster, vmid, key))) continue;
    const now = await readMade({ type, vmid, node }, api).catch((err) => {
      ports.log.warn(
        { err, run: run.id, vmid },
        'the container cannot be read after its change, so it may no longer count as created here',
      );
    });
    if (now?.at.type === type && now.identity.key !== key) await guests.rekey(cluster, { vmid, key, next: now.identity.key });
  }
}

/** Whether a run restored a guest over itself: from a backup that was made since its birth. */
async function isRestored(run: RunRecord, vmid: number, ports: Ports): Promise<boolean> {
  const { savedAt } = lifeOf(run, vmid);
  if (typeof savedAt !== 'string') return false;
  const born = (await birthsIn(ports)([vmid])).get(vmid);
  return born !== undefined && Date.parse(savedAt) / 1000 >= born.at;
}

/** Whether a step for this part is done. */
function isBegun(part: Plan, { steps }: Pick<RunRecord, 'steps'>): boolean {
  return part.steps.some(({ id }) => steps.some((record) => record.id === id && record.state === 'done'));
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
  const { reservations } = await ports.store();
  for (const condition of run.plan.expected)
    if (condition.kind === 'guest' && condition.is === 'absent') await reservations.releaseGuest(ports.cluster.name, condition.vmid);
}

/** A run as it ends. */
export type Ended = RunRecord & { endedAt: string };

export const wasMade = ({ steps }: RunRecord): boolean => steps.some(({ state }) => state === 'done');

/** Keeps what an ended run made, and frees what it destroyed. */
export async function takeStock(ended: Ended, ports: Ports): Promise<void> {
  if (wasMade(ended)) {
    await remember(ended, ports);
    await rememberChanged(ended, ports);
  }
  if (ended.status === 'succeeded') await forget(ended, ports);
}

/** A run that failed and left nothing gives back what it reserved; else its guest counts until the lists show it. */
export async function reconcileReservations(ended: Ended, ports: Ports): Promise<void> {
  const { reservations } = await ports.store();
  if (ended.plan.makes) return reconcileEach(ended, ports);
  if (ended.status === 'failed' && !(wasMade(ended) && (await isStillThere(ended, ports)))) await reservations.releaseRun(ended.id);
  else await reservations.markMade(ended.id, ended.endedAt);
}

/** The same for each guest that a run makes: one that may still be created keeps its reservation as it is. */
async function reconcileEach(ended: Ended, ports: Ports): Promise<void> {
  const { reservations } = await ports.store();
  for (const part of partsOf(ended.plan)) {
    const vmid = part.demand?.vmid;
    const mayCome = ended.steps.some(
      ({ id, state }) => state !== 'done' && state !== 'failed' && part.steps.some((step) => step.id === id),
    );
    if (isBegun(part, ended) && (await isStillThere({ ...ended, plan: part }, ports)))
      await reservations.markMade(ended.id, ended.endedAt, vmid);
    else if (!mayCome) await reservations.releaseRun(ended.id, vmid);
  }
}

/** A guest that another client deleted while its run failed counts for nothing; where Proxmox cannot tell, it counts. */
async function isStillThere({ plan }: RunRecord, ports: Ports): Promise<boolean> {
  if (plan.demand?.newGuests !== 1) return true;
  return !(await isFree(ports.cluster.api, plan.demand.vmid).catch(() => false));
}
