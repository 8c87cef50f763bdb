import { createHash } from 'node:crypto';
import { type Context, integer, type Routes, text, vmidOf } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import type { Things } from '../model.ts';
import { optionsOf } from './qemu-create.ts';

const OPTIONS = ['node', 'vmid', 'delete', 'digest'];

/** SHA-1 of an empty file, which is what an untouched firewall configuration is. */
const digestOf = (doc: unknown, empty: boolean): string =>
  createHash('sha1')
    .update(empty ? '' : JSON.stringify(doc))
    .digest('hex');

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
      [`GET ${base}/rules`]: (context) => read(context).rules.map((rule, pos) => ({ ...rule, pos })),
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
      [`DELETE ${base}/rules/{pos}`]: (context) => {
        const doc = read(context);
        const pos = ruleAt(context, doc);
        return write(context, { ...doc, rules: doc.rules.filter((_, index) => index !== pos) });
      },
      [`GET ${base}/options`]: (context) => {
        const { options, rules } = read(context);
        return { ...options, digest: digestOf({ options, rules }, Object.keys(options).length + rules.length === 0) };
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
