import { defined } from '../../../core/defined.ts';
import { type ErrorCode, ProxmoxMcpError } from '../../../core/errors/errors.ts';
import { nameAfter, partOf } from '../../../core/plan/parts.ts';
import type { RunRecord, StepRecord } from '../../../core/plan/run.ts';
import type { JsonObject } from '../../../core/text/json.ts';
import { counted, plainText } from '../../../core/text/text.ts';
import { explain } from '../half-made.ts';

/** How one guest of a run ended, in the details of the run's error: `done`, or its own error. */
interface GuestEnd extends JsonObject {
  vmid: number;
  name: string;
  status: string;
}

/** @param error none where all of its steps are done */
export function endOfGuest(run: RunRecord, vmid: number, steps: StepRecord[], error: ProxmoxMcpError | undefined): GuestEnd {
  const plan = partOf(run.plan, vmid);
  const guest = { vmid, name: plainText(plan.target?.name ?? nameAfter(plan), 80) };
  if (!error) return { ...guest, status: 'done' };
  const status = error.code === 'outcome_unknown' ? 'unknown' : 'failed';
  const { code, message, hint, details } = explain({ ...run, plan }, { steps, status }, error);
  return { ...guest, status, code, message, hint, ...defined({ details }) };
}

/** The error of a run for several guests, with the outcome of each. */
export function together({ id }: Pick<RunRecord, 'id'>, guests: readonly GuestEnd[]): ProxmoxMcpError {
  const bad = guests.filter(({ status }) => status !== 'done');
  const done = guests.filter(({ status }) => status === 'done');
  const worst = bad.find(({ status }) => status === 'unknown') ?? bad[0];
  const label = ({ name, vmid }: GuestEnd) => (name === '' ? `guest ${vmid}` : `${name} (${vmid})`);
  const failures = bad.map((guest) => `${label(guest)}: ${plainText(String(guest.message), 400)}`).join(' ');
  const rest = done.length > 0 ? ` Done: ${done.map(label).join(', ')}.` : '';
  const message = `${bad.length} of ${counted(guests.length, 'guest')} did not finish. ${failures}${rest}`;
  return new ProxmoxMcpError(worst?.code as ErrorCode, message, {
    hint: bad.length === 1 ? String(worst?.hint) : 'Do for each guest what its hint in details.guests says.',
    details: { run_id: id, guests: [...guests] },
  });
}

/** The ends of the guests that are in the error of a run. */
export function endsIn({ error }: Pick<RunRecord, 'error'>): GuestEnd[] {
  return (error?.details?.guests ?? []) as unknown as GuestEnd[];
}
