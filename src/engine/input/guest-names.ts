import { ERRORS } from '../../core/errors/catalogue.ts';
import { fail } from '../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { Json, JsonObject } from '../../core/text/json.ts';
import { nearest } from '../../core/text/nearest.ts';
import { plainText } from '../../core/text/text.ts';
import { isList } from '../../operations/by-name.ts';
import type { Operation } from '../../operations/define.ts';
import { sameName } from '../../operations/vm/lib/match.ts';
import { currentGuests } from '../../proxmox/guest/fresh.ts';
import type { GuestRow } from '../../proxmox/guest/guests.ts';

/**
 * Arguments in which every guest is a VMID. Names are looked up afresh among the guests that this caller sees, so a plan and its approval are
 * about a number, and the approval's text shows the name that the guest has. Without a name it reads nothing.
 * @throws guest_not_found, ambiguous with candidates, conflict where VMID and name are two guests, invalid_arguments where both are missing
 */
export async function withVmids(operation: Operation, args: JsonObject, reader: ProxmoxReader): Promise<JsonObject> {
  const { byName = {}, input } = operation;
  let rows: Promise<readonly GuestRow[]> | undefined;
  const resolved: JsonObject = { ...args };
  for (const [key, nameKey] of Object.entries(byName)) {
    const type = input.shape[key];
    const given = args[nameKey];
    if (given === undefined) {
      if (args[key] === undefined && type?._zod.optin !== 'optional') {
        fail('invalid_arguments', `${operation.name}: give ${key} or ${nameKey}.`, { hint: 'list_vms shows the VMIDs and names.' });
      }
      continue;
    }
    delete resolved[nameKey];
    rows ??= currentGuests(reader);
    const names = [given].flat().map(String);
    refuseMissing(names, await rows);
    const found = [];
    for (const name of names) found.push(guestCalled(name, nameKey, await rows));
    if (type && isList(type)) resolved[key] = [...new Set([...((args[key] ?? []) as Json[]), ...found.map(({ vmid }) => vmid)])];
    else resolved[key] = agreed(args[key], found[0] as GuestRow, await rows);
  }
  return resolved;
}

/** A dry run of reading sends nothing, so a name stands for its VMID in what it shows. */
export function withPlaceholders({ byName = {} }: Operation, args: JsonObject): JsonObject {
  const placed = Object.entries(byName).flatMap(([key, nameKey]) => (args[nameKey] === undefined ? [] : [[key, `{${key}}`]]));
  return { ...args, ...Object.fromEntries(placed) };
}

/** Names all missing guests at once; of a single one `guestCalled` knows more. */
function refuseMissing(names: readonly string[], rows: readonly GuestRow[]): void {
  const missing = names.filter((name) => !rows.some((row) => sameName(row.name, name))).map((name) => plainText(name, 80));
  if (missing.length > 1) fail('guest_not_found', `No guests called ${missing.join(', ')} are visible.`, { details: { missing } });
}

/** @param parameter names it for the hint @throws guest_not_found, ambiguous with candidates */
export function guestCalled(name: string, parameter: string, rows: readonly GuestRow[]): GuestRow {
  const found = rows.filter((row) => row.name !== '' && sameName(row.name, name));
  const [first, second] = found;
  if (!first) {
    const names = rows.map((row) => row.name).filter((other) => other !== '');
    const near = nearest(name, names).map((one) => plainText(one, 80));
    const vmid = /^\d+$/.test(name) ? `${name} looks like a VMID: pass it as a number in the parameter for VMIDs.` : undefined;
    fail('guest_not_found', `No guest called ${plainText(name, 80)} is visible.`, {
      hint: vmid ?? (near.length > 0 ? `Did you mean ${near.join(' or ')}?` : ERRORS.guest_not_found.hint),
      ...(near.length > 0 ? { details: { candidates: near } } : {}),
    });
  }
  if (second) {
    const candidates = found.map(({ vmid, node, status, type }) => ({ vmid, type: type === 'qemu' ? 'vm' : 'container', node, status }));
    fail('ambiguous', `${found.length} guests are called ${plainText(name, 80)}: ${candidates.map(({ vmid }) => vmid).join(', ')}.`, {
      hint: `Call again with the VMID of one of them instead of ${parameter}.`,
      details: { candidates },
    });
  }
  return first;
}

/** The VMID and the name that a caller gave must be of one guest. @throws conflict */
function agreed(vmid: Json | undefined, named: GuestRow, rows: readonly GuestRow[]): number {
  if (vmid === undefined || vmid === named.vmid) return named.vmid;
  const other = rows.find((row) => row.vmid === vmid);
  const is = other ? plainText(other.name, 80) || 'a guest without a name' : 'no guest that is visible';
  fail('conflict', `VMID ${vmid} is ${is}, but ${plainText(named.name, 80)} is ${named.vmid}.`, { hint: 'Give one of the two.' });
}
