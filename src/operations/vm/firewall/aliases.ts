import * as z from 'zod';
import { defined } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { path as apiPath } from '../../../proxmox/guest/encode.ts';
import { firewallPath, readAliases } from '../../../proxmox/guest/firewall.ts';
import type { Guest } from '../../../proxmox/guest/guests.ts';
import { refuseTwice } from '../lib/match.ts';
import { line } from '../lib/schemas.ts';
import { label } from '../lib/target.ts';
import { change, changeByName, type Draft } from './draft.ts';
import { checkName, listed, network, note, type Part } from './parts.ts';

export const aliasInput = z.strictObject({
  name: z.string(),
  cidr: z.string().optional(),
  comment: line(256).optional(),
  remove: z.boolean().optional(),
});
type AliasInput = z.output<typeof aliasInput>;

/** Names for one address or network: made, changed and removed. */
export async function planAliases(out: Part, api: ProxmoxReader, guest: Guest, inputs: readonly AliasInput[]): Promise<void> {
  if (inputs.length === 0) return;
  const of = label(guest);
  refuseTwice(
    'Alias',
    inputs.map(({ name }) => name.toLowerCase()),
  );
  const { rows: all, digest } = await readAliases(api, guest.at);
  const list: Draft = { path: `${firewallPath(guest.at)}/aliases`, rows: all, digest };
  out.binds[`aliases of ${of}`] = { digest };
  for (const { name, cidr: given, comment: said, remove } of inputs) {
    checkName(name);
    const there = all.find((row) => row.name.toLowerCase() === name.toLowerCase());
    const others = list.rows.filter((row) => row.name !== there?.name);
    const path = `${list.path}${apiPath`/${there?.name ?? name}`}`;
    const id = `alias${out.early.length + out.late.length + 1}`;
    if (remove) {
      if (!there)
        fail('not_possible', `${of} has no alias ${name}.`, { hint: `Aliases: ${all.map((row) => row.name).join(', ') || 'none'}.` });
      const proof = listed(list.path, { name: there.name }, 'absent', `the alias ${name} of ${of} is gone`);
      out.late.push(change(list, { id, method: 'DELETE', path, purpose: `remove the alias ${name} of ${of}`, proof, next: others }));
      note(out, { proof, text: `remove the alias ${name} (${there.cidr})`, undo: `make the alias ${name} again for ${there.cidr}` });
      continue;
    }
    const comment = said?.trim() ?? there?.comment;
    const cidr = network(given ?? there?.cidr ?? fail('invalid_arguments', `The alias ${name} needs cidr, its address or network.`));
    if (there?.cidr === cidr && there.comment === comment) continue;
    const row = { name: there?.name ?? name, cidr, ...defined({ comment }) };
    const proof = listed(list.path, row, 'present', `the alias ${name} of ${of} is ${cidr}`);
    const one = { id, purpose: `${there ? 'change' : 'make'} the alias ${name} of ${of}: ${cidr}`, proof, next: [...others, row] };
    // Without the comment in the request an alias would lose it.
    const step = there
      ? change(list, { ...one, method: 'PUT', path, params: { cidr, ...defined({ comment }) } })
      : changeByName(list, { ...one, method: 'POST', path: list.path, params: row });
    out.early.push(step);
    const text = `alias ${name} ${there ? `${there.cidr} → ` : ''}${cidr}`;
    note(out, { proof, text, undo: there ? `alias ${name} back to ${there.cidr}` : `remove the alias ${name}` });
  }
}
