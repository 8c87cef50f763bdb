import { fail } from '../../core/errors/errors.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { RunRecord } from '../../core/plan/run.ts';
import { type Result, runningResult } from '../../core/result.ts';
import { sameName } from '../../operations/vm/lib/match.ts';
import { listGuests, locate, readGuest } from '../../proxmox/guest/guests.ts';
import type { Reservation } from '../../store/schema.ts';
import { isLeft, releaseLeft } from '../limits/hold.ts';
import { isForeign } from '../limits/scope.ts';
import type { Ports } from '../ports.ts';
import { argsDigest } from '../records.ts';
import { adoptOrphans } from '../runs/outcome/adopt.ts';
import { openLine } from '../runs/outcome/late.ts';
import type { ChangeCall } from '../types.ts';
import { makePlan } from './make-plan.ts';

const POLL_MS = 200;
/** Within this time Proxmox shows a guest that was just created with its name, in its configuration if not in the lists. */
const SHOWS_WITHIN_MS = 15_000;

/** The outcome of another call that creates the same guest, for this one. */
type Left =
  /** The guest is there, as wanted. */
  | { existing: Plan }
  /** The other call continues longer than this one waits. */
  | { result: Result }
  /** It is this call's turn to create the guest, or to continue with `halfMade`. */
  | { halfMade?: number };

/**
 * Another call is creating, or has just created, the guest that this call wants. Its outcome is ours: the same guest, or our own turn when
 * they fail.
 */
export async function followOther(call: ChangeCall, other: Reservation, ports: Ports): Promise<Left> {
  const store = await ports.store();
  // The caller may not be allowed to know whose guest it is.
  const { scope } = call.caller;
  call.deadline.waitsFor(`another call that is creating ${(scope === undefined && other.name) || 'this guest'}`);
  const held = await whileHeld(call, other, ports);
  if (held) return { result: held };
  const made = await store.reservations.get(other.id);
  if (!made) return {};
  call.deadline.waitsFor(`Proxmox to show ${made.name || 'a guest'} (${made.vmid}), which another call has just created`);
  for (const until = Math.min(call.deadline.at, ports.clock.now() + SHOWS_WITHIN_MS); ; await ports.clock.sleep(POLL_MS)) {
    const plan = await makePlan(call, { reservedVmid: made.vmid }, ports);
    if (plan.existing) return { existing: plan };
    if (plan.continues !== undefined) {
      await store.reservations.release(made.id);
      return { halfMade: made.vmid };
    }
    if (await isGoneOrRenamed(made, ports)) break;
    // A configuration that is only begun has no name yet, so it does not show whether this is the requested guest.
    if (ports.clock.now() >= until) fail('conflict', `VMID ${made.vmid} was just assigned to ${made.name || 'a guest without a name'}.`);
  }
  await store.reservations.release(made.id);
  return {};
}

/**
 * Waits while another call is creating a guest, and takes over the run of one whose process ended.
 * @returns that it continues, where it does so longer than this call waits
 */
export async function whileHeld(call: ChangeCall, other: Reservation, ports: Ports): Promise<Result | undefined> {
  const store = await ports.store();
  for (let now = other as Reservation | undefined; now?.state === 'held'; now = await store.reservations.get(other.id)) {
    // A run may have taken it over meanwhile: either way its row is read again.
    if (now.runId === undefined && isLeft(now, ports)) {
      await releaseLeft(now, ports);
      continue;
    }
    const run = now.runId === undefined ? undefined : await store.runs.get(now.runId);
    if (run) await refuseForeign(run, call, ports);
    if (run?.status === 'unknown') {
      await refuseOpen(run, now, ports);
      continue;
    }
    // Its process may end while this call waits, and then this process must finish its run.
    if (run && isLeft(now, ports)) await adoptOrphans(ports);
    if (ports.clock.now() >= call.deadline.at) {
      const same = run?.operation === call.operation.name && argsDigest(run.operation, run.args) === argsDigest(run.operation, call.args);
      if (run) return { ...runningResult(run), ...(same ? {} : { differs: true as const }) };
      call.deadline.fail();
    }
    if (call.options.signal?.aborted) fail('interrupted', 'The call was cancelled while another call was creating the same guest.');
    await ports.clock.sleep(POLL_MS);
  }
  const made = await store.reservations.get(other.id);
  // A reservation changes a moment before its run ends, and only an ended run shows what it left.
  const madeBy = async () => (made?.runId === undefined ? undefined : store.runs.get(made.runId));
  while ((await madeBy())?.status === 'executing' && ports.clock.now() < call.deadline.at) await ports.clock.sleep(POLL_MS);
  const run = await madeBy();
  if (run) await refuseForeign(run, call, ports);
  return undefined;
}

/** The guest was removed or renamed by other means, so its record must not block other calls. */
export async function isGoneOrRenamed({ vmid, name, type, node }: Reservation, ports: Ports): Promise<boolean> {
  const { api } = ports.cluster;
  if ((await api.holds({ kind: 'guest', type, vmid, node, is: 'absent' })) === true) return true;
  const guest = await locate(api, vmid)
    .then((row) => readGuest(api, row))
    .catch(() => undefined);
  return guest !== undefined && name !== '' && guest.identity.name !== '' && !sameName(guest.identity.name, name);
}

/** The name and the VMID of a guest stay reserved while Proxmox may still make it. @throws outcome_unknown while that is open */
async function refuseOpen(run: RunRecord, { name, vmid }: Reservation, ports: Ports): Promise<void> {
  const now = await ports.watch.look(run, ports);
  if (now.status !== 'unknown') return;
  fail('outcome_unknown', `${name || 'A guest'} (${vmid}) may still be created: ${openLine(run)}.`, {
    hint: `This call did nothing. Choose another name and VMID, or wait. The operator ends the watch with \`proxmox-mcp runs close ${run.id}\`.`,
    details: { run_id: run.id, vmid },
  });
}

/** Never joins or names a guest outside the caller's scope: the error repeats only the caller's request. @throws conflict */
async function refuseForeign(run: RunRecord, call: ChangeCall, ports: Ports): Promise<void> {
  if (call.caller.scope === undefined || !isForeign(run, call.caller, await listGuests(ports.cluster.api))) return;
  const asked = [call.operation.reserves?.(call.args) ?? []].flat();
  const vmid = asked.find((one) => one.vmid !== undefined)?.vmid;
  const wanted = [
    ...asked.flatMap(({ name }) => (name === undefined ? [] : [`the name ${name}`])),
    ...(vmid === undefined ? [] : [`VMID ${vmid}`]),
  ];
  fail('conflict', `Another call is reserving ${wanted.join(' or ')}.`, {
    hint: `Choose another ${vmid === undefined ? 'name' : 'name and VMID'}. Nothing was done.`,
  });
}
