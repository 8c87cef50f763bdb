import * as z from 'zod';
import type { Condition, Params } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import { firewallPath, type GuestFirewall, type Options } from '../../../proxmox/guest/firewall.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { label } from '../lib/target.ts';
import { note, type Part } from './parts.ts';
import { LOG_LEVELS } from './rule-input.ts';

const policy = z.enum(['ACCEPT', 'DROP', 'REJECT']);
const flag = z.boolean().optional();
const level = z
  .string()
  .refine((text) => LOG_LEVELS.includes(text), { message: `must be one of ${LOG_LEVELS.join(', ')}` })
  .optional();

export const optionsInput = {
  enabled: flag,
  policy_in: policy.optional().describe('For what no rule matches'),
  policy_out: policy.optional(),
  options: z
    .strictObject({ ipfilter: flag, macfilter: flag, dhcp: flag, ndp: flag, radv: flag, log_level_in: level, log_level_out: level })
    .optional(),
};
type OptionsInput = z.output<z.ZodObject<typeof optionsInput>>;

/** Proxmox's names of the options that a call gives, with their values as text. */
export function optionsGiven({ enabled, policy_in, policy_out, options }: OptionsInput): Options {
  const all = { enable: enabled, policy_in, policy_out, ...options };
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === 'boolean' ? (value ? '1' : '0') : value]],
    ),
  );
}

/** One request for all options that differ. */
export function planOptions(out: Part, guest: Guest, { options: was, digests }: GuestFirewall, input: OptionsInput): void {
  const of = label(guest);
  const set = Object.fromEntries(Object.entries(optionsGiven(input)).filter(([key, value]) => was[key] !== value));
  if (Object.keys(set).length === 0) return;
  const is = { ...was, ...set };
  const path = `${firewallPath(guest.at)}/options`;
  const proof: Condition = { kind: 'reads', path, has: set, says: `the firewall of ${of} is ${stateText(is)}` };
  const numbers: Params = Object.fromEntries(Object.entries(set).map(([key, value]) => [key, /^\d$/.test(value) ? Number(value) : value]));
  const step = { kind: 'request', id: 'options', method: 'PUT', path, params: { ...numbers, digest: digests.options }, proof } as const;
  out.steps.push({ ...step, purpose: `set the options of the firewall of ${of}: ${changesText(was, set)}` });
  const back = Object.fromEntries(Object.keys(set).map((key) => [key, was[key] ?? '']));
  note(out, { proof, text: changesText(was, set), undo: changesText(is, back) });
}

function changesText(was: Options, set: Options): string {
  return Object.entries(set)
    .map(([key, value]) => `${key} ${plainText(was[key] ?? 'unset', 40)} → ${value || 'unset'}`)
    .join(', ');
}

/** `on, in DROP, out ACCEPT` */
export function stateText({ enable, policy_in, policy_out }: Options): string {
  return plainText(`${enable === '1' ? 'on' : 'off'}, in ${policy_in}, out ${policy_out}`, 80);
}
