import type { Contract } from './contract.ts';
import { type Asked, GUEST_RULES, type Known } from './guest-rules.ts';
import { type Need, NOTHING, needOf } from './need.ts';
import { OTHER_RULES } from './other-rules.ts';

/** A request as it is sent: the path below /api2/json, its segments encoded. */
export interface ApiRequest {
  method: string;
  path: string;
  params: Readonly<Record<string, unknown>>;
}

/**
 * The rights that Proxmox VE demands before it executes a request, by the permission expression of the contract and by the code of the method.
 * Where they are not known, the need is empty and Proxmox decides.
 */
export async function needFor(request: ApiRequest, contract: Contract, known: Known): Promise<Need> {
  const found = contract.find(request.method, request.path);
  if (!found) return NOTHING;
  const params = textual(request.params);
  const asked: Asked = { at: found.at, params };
  const name = `${found.api.method} ${found.api.path}`;
  const rule = GUEST_RULES[name] ?? OTHER_RULES[name];
  const all = [needOf(found.api.permission, { ...params, ...found.at }), ...(rule ? await rule(asked, known) : [])];
  return known.major < 9 ? { all: all.map(before9) } : { all };
}

/** Secrets and references are objects. Their values decide nothing here. */
export function textual(params: ApiRequest['params']): Record<string, string> {
  const text = (value: unknown) =>
    Array.isArray(value) ? value.join(',') : typeof value === 'object' ? '' : value === true ? '1' : value === false ? '0' : String(value);
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, text(value)]));
}

/** Until 8.x VM.Monitor stands for the privileges of the guest agent. */
function before9(one: Need): Need {
  if ('all' in one) return { all: one.all.map(before9) };
  if ('any' in one) return { any: one.any.map(before9) };
  const known = one.anyOf.filter((privilege) => !privilege.startsWith('VM.GuestAgent.'));
  return known.length === one.anyOf.length ? one : { ...one, anyOf: [...known, 'VM.Monitor'] };
}
