import { createHash } from 'node:crypto';
import { type Context, integer, type Routes, text, vmidOf } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import type { Things } from '../model.ts';
import { optionsOf } from './new-guest.ts';

const OPTIONS = ['node', 'vmid', 'delete', 'digest'];

/** SHA-1 of the file; an untouched firewall configuration is an empty one. */
function digestOf({ options, rules }: Things['firewall']): string {
  const lines = [options, ...rules].map((line) => Object.entries(line).sort());
  const isEmpty = lines.flat().length === 0;
  return createHash('sha1')
    .update(isEmpty ? '' : JSON.stringify(lines))
    .digest('hex');
}

/** A rule as it is shown: with its place, the digest of the file, and the IP version its addresses say. */
function shown(rule: Record<string, unknown>, pos: number, digest: string): Record<string, unknown> {
  const address = String(rule.source ?? rule.dest ?? '');
  const ipversion = /^\d+\./.test(address) ? 4 : /^[0-9a-f]*:/i.test(address) ? 6 : undefined;
  return { ...rule, enable: rule.enable ?? 0, pos, digest, ...(ipversion === undefined ? {} : { ipversion }) };
}

function read(context: Context): Things['firewall'] {
  return context.world.get('firewall', String(vmidOf(context))) ?? { rules: [], options: {} };
}

function write(context: Context, doc: Things['firewall']): null {
  context.world.put('firewall', String(vmidOf(context)), doc);
  return null;
}

function numbers(options: Record<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key, /^\d+$/.test(value) && key !== 'dport' && key !== 'sport' ? Number(value) : value]),
  );
}

function ruleAt(context: Context, doc: Things['firewall']): number {
  const pos = integer(context, 'pos') ?? 0;
  if (!doc.rules[pos]) refuse(`no rule at position ${pos}`);
  return pos;
}

const BASES = ['qemu', 'lxc'].map((type) => `/nodes/{node}/${type}/{vmid}/firewall`);

export const FIREWALL_ROUTES: Routes = Object.fromEntries(
  BASES.flatMap((base) =>
    Object.entries<Routes[string]>({
      [`GET ${base}/rules`]: (context) => {
        const doc = read(context);
        return doc.rules.map((rule, pos) => shown(rule, pos, digestOf(doc)));
      },
      [`POST ${base}/rules`]: (context) => {
        for (const port of ['dport', 'sport']) {
          if (text(context, port) !== undefined && text(context, 'proto') === undefined) {
            invalid({ proto: `missing property - '${port}' requires this property` });
          }
        }
        const doc = read(context);
        const rule = numbers(optionsOf(context, [...OPTIONS, 'pos']));
        return write(context, { ...doc, rules: [rule, ...doc.rules] });
      },
      [`GET ${base}/rules/{pos}`]: (context) => {
        const doc = read(context);
        const pos = ruleAt(context, doc);
        return { ...shown(doc.rules[pos] ?? {}, pos, digestOf(doc)), pos: String(pos) };
      },
      [`PUT ${base}/rules/{pos}`]: (context) => {
        const doc = read(context);
        const digest = text(context, 'digest');
        if (digest !== undefined && digest !== digestOf(doc))
          refuse('detected modified configuration - file changed by other user? Try again.');
        const pos = ruleAt(context, doc);
        const goal = integer(context, 'moveto');
        const changed = { ...doc.rules[pos], ...numbers(optionsOf(context, [...OPTIONS, 'pos', 'moveto'])) };
        const rest = doc.rules.filter((_, index) => index !== pos);
        return write(context, { ...doc, rules: rest.toSpliced(goal ?? pos, 0, changed) });
      },
      [`DELETE ${base}/rules/{pos}`]: (context) => {
        const doc = read(context);
        const pos = ruleAt(context, doc);
        return write(context, { ...doc, rules: doc.rules.filter((_, index) => index !== pos) });
      },
      [`GET ${base}/options`]: (context) => {
        const doc = read(context);
        return { ...doc.options, digest: digestOf(doc) };
      },
      [`PUT ${base}/options`]: (context) => {
        const doc = read(context);
        const options = { ...doc.options, ...numbers(optionsOf(context, OPTIONS)) };
        for (const key of (text(context, 'delete') ?? '').split(',')) delete options[key];
        return write(context, { ...doc, options });
      },
    }),
  ),
);
