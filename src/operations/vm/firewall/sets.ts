import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import { networkText, parseNetwork } from '../../../core/network.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { path as apiPath } from '../../../proxmox/guest/encode.ts';
import { firewallPath, type Rule, readSet, readSets, ruleText } from '../../../proxmox/guest/firewall.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import type { ListRow } from '../../../proxmox/listed.ts';
import { refuseTwice } from '../lib/match.ts';
import { line } from '../lib/schemas.ts';
import { label } from '../lib/target.ts';
import { change, changeByName, type Draft } from './draft.ts';
import { checkName, listed, network, note, type Part, setName } from './parts.ts';

const MAX_ADDRESSES = 50;

export const setInput = z.strictObject({
  name: z.string(),
  comment: line(256).optional().describe('Of a new one'),
  add: z.array(z.string()).max(MAX_ADDRESSES).optional().describe('Networks; ! before one excludes it'),
  take_out: z.array(z.string()).max(MAX_ADDRESSES).optional(),
  remove: z.boolean().optional(),
});
type SetInput = z.output<typeof setInput>;

interface Sets {
  guest: Guest;
  of: string;
  list: Draft;
  out: Part;
}

/** IP sets that are made, filled, emptied and removed. */
export async function planSets(out: Part, api: ProxmoxReader, guest: Guest, given: readonly SetInput[]): Promise<void> {
  if (given.length === 0) return;
  const inputs = given.map((one) => ({ ...one, name: setName(one.name) }));
  refuseTwice(
    'IP set',
    inputs.map(({ name }) => name),
  );
  const { rows, digest } = await readSets(api, guest.at);
  const of = label(guest);
  const sets: Sets = { guest, of, list: { path: `${firewallPath(guest.at)}/ipset`, rows, digest }, out };
  out.binds[`IP sets of ${of}`] = { digest };
  for (const input of inputs) {
    checkName(input.name);
    const exists = rows.some(({ name }) => name === input.name);
    await planSet(api, sets, input, exists);
  }
}

async function planSet(api: ProxmoxReader, sets: Sets, input: SetInput, exists: boolean): Promise<void> {
  const { guest, of, out, list } = sets;
  const { name, add = [], take_out = [], remove = false } = input;
  if (!exists && (remove || take_out.length > 0)) {
    fail('not_possible', `${of} has no IP set ${name}.`, { hint: `IP sets: ${list.rows.map((row) => row.name).join(', ') || 'none'}.` });
  }
  const now = exists ? await readSet(api, guest.at, name) : { rows: [], digest: '' };
  const entries: Draft = { path: `${list.path}${apiPath`/${name}`}`, ...now };
  if (exists) out.binds[`IP set ${name} of ${of}`] = { digest: now.digest };
  else {
    const row = { name, ...defined({ comment: input.comment?.trim() }) };
    const proof = listed(list.path, { name }, 'present', `the IP set ${name} of ${of} exists`);
    const one = { id: idOf(out), purpose: `make the IP set ${name} of ${of}`, proof, next: [...list.rows, row] };
    out.early.push(change(list, { ...one, method: 'POST', path: list.path, params: row }));
    note(out, { proof, text: `make the IP set ${name}`, undo: `remove the IP set ${name}` });
  }
  for (const text of remove ? [] : add) addTo(sets, entries, name, text);
  const gone = remove ? now.rows.map(({ cidr, nomatch }) => `${nomatch ? '!' : ''}${cidr}`) : take_out;
  for (const text of gone) takeFrom(sets, entries, name, text);
  if (!remove) return;
  if (gone.length > MAX_ADDRESSES)
    fail('not_possible', `The IP set ${name} has ${gone.length} addresses; one call removes at most ${MAX_ADDRESSES}.`);
  const proof = listed(list.path, { name }, 'absent', `the IP set ${name} of ${of} is gone`);
  const next = list.rows.filter((row) => row.name !== name);
  // Proxmox refuses to remove a set that is not empty: an address that came since stays.
  const one = { id: idOf(out), purpose: `remove the IP set ${name} of ${of}`, proof, next };
  out.late.push(changeByName(list, { ...one, method: 'DELETE', path: entries.path }));
  note(out, { proof, text: `remove the IP set ${name}`, undo: `make the IP set ${name} again` });
}

function addTo({ of, out }: Sets, entries: Draft, name: string, text: string): void {
  const { cidr, isExcluded } = entryOf(text);
  const there = entryIn(entries, cidr);
  if (there !== undefined) {
    if ((there.nomatch !== undefined) === isExcluded) return;
    fail('conflict', `The IP set ${name} of ${of} has ${cidr} already, ${isExcluded ? 'included' : 'excluded'}.`, {
      hint: 'Take it out first, in a call of its own.',
    });
  }
  const row = { cidr, ...(isExcluded ? { nomatch: 1 } : {}) };
  const proof = listed(entries.path, asText(row), 'present', `${text} is in the IP set ${name} of ${of}`);
  const one = { id: idOf(out), purpose: `put ${text} into the IP set ${name} of ${of}`, proof, next: [...entries.rows, row] };
  out.early.push(changeByName(entries, { ...one, method: 'POST', path: entries.path, params: row }));
  note(out, { proof, text: `${text} into the IP set ${name}`, undo: `${text} out of the IP set ${name}` });
}

function takeFrom({ of, out }: Sets, entries: Draft, name: string, text: string): void {
  const there = entryIn(entries, entryOf(text).cidr);
  if (there === undefined) return;
  const cidr = String(there.cidr);
  const next = entries.rows.filter((row) => row !== there);
  const proof = listed(entries.path, { cidr }, 'absent', `${text} is not in the IP set ${name} of ${of}`);
  const one = { id: idOf(out), purpose: `take ${text} out of the IP set ${name} of ${of}`, proof, next };
  out.late.push(change(entries, { ...one, method: 'DELETE', path: `${entries.path}${apiPath`/${cidr}`}` }));
  note(out, { proof, text: `${text} out of the IP set ${name}`, undo: `${text} into the IP set ${name} again` });
}

/** As Proxmox stores it in a set: a network without bits of a host. @throws invalid_arguments for a range and for a prefix of 0 */
function addressOf(text: string): string {
  const found = parseNetwork(text);
  if (found === undefined || found.prefix === 0) {
    fail('invalid_arguments', `"${plainText(text, 80)}" is not an address or network such as 10.0.0.0/8, which an IP set takes.`, {
      hint: 'Give a range as networks. Two halves such as 0.0.0.0/1 and 128.0.0.0/1 are everything.',
    });
  }
  return text.includes('/') ? network(networkText(found)) : text;
}

/** The entry of the set for this address, in whatever case it is written. */
function entryIn({ rows }: Draft, cidr: string) {
  return rows.find((row) => String(row.cidr).toLowerCase() === cidr.toLowerCase());
}

/** An address of a set may be an alias that exists already. */
function entryOf(text: string): { cidr: string; isExcluded: boolean } {
  const isExcluded = text.startsWith('!');
  const rest = (isExcluded ? text.slice(1) : text).trim();
  const isAlias = /^(?:(?:dc|guest)\/)?[A-Za-z][\w-]*$/.test(rest);
  return { cidr: isAlias ? rest : addressOf(rest), isExcluded };
}

function idOf({ early, late }: Part): string {
  return `set${early.length + late.length + 1}`;
}

function asText(row: ListRow): Record<string, string> {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)]));
}

/** A rule whose set or alias is gone would match nothing. @throws not_possible */
export function refuseUsed(what: string, names: readonly string[], rules: readonly Rule[], of: string): void {
  const sign = what === 'IP set' ? '+' : '';
  for (const name of names) {
    const refs = [`${sign}${name}`, `${sign}guest/${name}`].map((ref) => ref.toLowerCase());
    const user = rules.find((rule) => [rule.source, rule.dest].some((end) => end !== undefined && refs.includes(end.toLowerCase())));
    if (user) {
      fail('not_possible', `A rule of ${of} uses the ${what} ${name}: ${ruleText(user)}.`, {
        hint: 'Change or remove the rule in the same call.',
      });
    }
  }
}
