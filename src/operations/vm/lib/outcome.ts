import type { GuestType } from '../../../core/guest.ts';
import { nothingToSend, type PlanDraft } from '../../../core/plan/plan.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { plainText } from '../../../core/text/text.ts';
import { type GuestAt, type GuestStatus, readStatus } from '../../../proxmox/guest/guests.ts';
import { about, type NearTarget } from './target.ts';

/** The common part of the answer of a finished change: its run, by which get_task names the tasks, the choices made for the caller, and warnings. */
export function outcomeOf(run: RunRecord): { run_id: string; choices?: string[]; warnings?: string[] } {
  const warnings = [...run.plan.warnings, ...run.steps.flatMap(taskWarnings), ...run.steps.flatMap(unmetWarnings)];
  return {
    run_id: run.id,
    ...(run.plan.choices.length === 0 ? {} : { choices: run.plan.choices }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

/** `WARNINGS: n` is a success with caveats, which are in the task's log. */
function taskWarnings(step: RunRecord['steps'][number]): string[] {
  if ((step.data as { kept?: true } | undefined)?.kept) {
    return [`Proxmox could not apply all of it to the running guest, and kept it: ${plainText(step.exit ?? 'no reason given', 300)}`];
  }
  if (!step.exit?.startsWith('WARNINGS')) return [];
  const lines = (step.log ?? []).filter((line) => /^warn/i.test(line)).map((line) => plainText(line, 300));
  return lines.length > 0 ? lines : [`${step.id}: Proxmox ended the task with ${plainText(step.exit, 80)}`];
}

/** Proxmox reported success, but the guest's state differs. */
function unmetWarnings({ unmet = [] }: RunRecord['steps'][number]): string[] {
  return unmet.map((condition) => `all steps ended well, but this does not hold: ${condition}. Look with get_vm`);
}

/** The plan for a guest that is already as requested: it sends nothing. */
export function alreadySo(target: NearTarget, summary: string, more: JsonObject = {}): PlanDraft {
  const { at, identity } = target.guest;
  const state = { vmid: at.vmid, name: plainText(identity.name, 80), node: at.node, status: stateOf(target.status) };
  return { ...about(target), summary, ...nothingToSend({ ...state, already: true, ...more }) };
}

/** `already: true` when another client had done it a moment before. */
function alreadyOf(run: RunRecord): { already?: true } {
  return run.steps.some((s) => (s.data as { already?: true } | undefined)?.already) ? { already: true } : {};
}

/** The guest's state now. A guest that is gone by now has the state that the run gave it, or `unknown`. */
export async function statusNow(api: ProxmoxReader, at: GuestAt, { plan }: Pick<RunRecord, 'plan'>): Promise<string> {
  const made = plan.after?.status;
  return readStatus(api, at).then(stateOf, () => (typeof made === 'string' ? made : 'unknown'));
}

/** QEMU's run states in which a guest holds its memory but does not run, although Proxmox counts it as running. */
const HALTED = ['prelaunch', 'paused', 'suspended', 'io-error', 'internal-error', 'guest-panicked', 'watchdog', 'shutdown'];

export function isHalted({ status, detail }: GuestStatus): boolean {
  return status === 'running' && HALTED.includes(detail);
}

/** The guest's state; a halted guest does not count as running. */
export function stateOf(status: GuestStatus): string {
  return isHalted(status) ? status.detail : status.status;
}

/** The place of the run's guest: of the plan's target, or of the new guest. */
export function placeOf(run: RunRecord): GuestAt & { name: string } {
  const { target, demand, node, after, expected } = run.plan;
  if (target) return { vmid: target.vmid, type: target.type, node: target.node, name: plainText(target.name, 80) };
  const type: GuestType = expected.flatMap((one) => ('type' in one && one.vmid === demand?.vmid ? [one.type] : []))[0] ?? 'qemu';
  return { vmid: demand?.vmid ?? 0, type, node: node ?? '', name: plainText(String(after?.name ?? ''), 80) };
}

/** The answer of a finished change of one guest or several, as the guests are now. */
export async function reportOf(api: ProxmoxReader, run: RunRecord) {
  const { name, ...at } = placeOf(run);
  const guests = await Promise.all(
    (run.plan.targets ?? []).map(async ({ vmid, type, node, name }) => {
      const status = await statusNow(api, { vmid, type, node }, run);
      return { vmid, name: plainText(name, 80), status };
    }),
  );
  return {
    ...(guests.length > 0 ? { guests } : {}),
    vmid: at.vmid,
    name,
    node: at.node,
    status: await statusNow(api, at, run),
    ...(guests.length > 0 ? {} : alreadyOf(run)),
    ...outcomeOf(run),
  };
}
