import { type Context, flag, needed, type Routes, text } from '../context.ts';
import { invalid, refuse } from '../errors.ts';
import { checkListDigest, digestOfRows, nameOf, type Row, reachOf, readFirewall, versionOf, writeFirewall } from '../firewall.ts';
import type { Firewall } from '../model.ts';

const withDigest = (rows: Row[]): Row[] => rows.map((row) => ({ ...row, digest: digestOfRows(rows) }));

const commentOf = (context: Context): { comment?: string } => {
  const comment = text(context, 'comment');
  return comment === undefined ? {} : { comment };
};

type Alias = { name: string; cidr: string; comment?: string };

const aliasRows = (doc: Firewall): Row[] => Object.values(doc.aliases ?? {}).map((alias) => ({ ...alias, ...versionOf(alias.cidr) }));

const keyOf = (name: string): string => name.toLowerCase();

function addAlias(context: Context): null {
  const doc = readFirewall(context);
  const name = nameOf(context);
  if (doc.aliases?.[keyOf(name)]) invalid({ name: `alias '${name}' already exists` });
  const alias: Alias = { name, cidr: needed(context, 'cidr'), ...commentOf(context) };
  return writeFirewall(context, { ...doc, aliases: { ...doc.aliases, [keyOf(name)]: alias } });
}

function aliasOf(context: Context): Alias {
  return readFirewall(context).aliases?.[keyOf(nameOf(context))] ?? invalid({ name: 'no such alias' });
}

function changeAlias(context: Context): null {
  const doc = readFirewall(context);
  checkListDigest(context, digestOfRows(aliasRows(doc)));
  const name = text(context, 'rename') ?? aliasOf(context).name;
  const { [keyOf(nameOf(context))]: _old, ...others } = doc.aliases ?? {};
  if (others[keyOf(name)]) invalid({ name: `alias '${name}' already exists` });
  const alias: Alias = { name, cidr: needed(context, 'cidr'), ...commentOf(context) };
  return writeFirewall(context, { ...doc, aliases: { ...others, [keyOf(name)]: alias } });
}

function dropAlias(context: Context): null {
  const doc = readFirewall(context);
  checkListDigest(context, digestOfRows(aliasRows(doc)));
  const { [keyOf(nameOf(context))]: _old, ...aliases } = doc.aliases ?? {};
  return writeFirewall(context, { ...doc, aliases });
}

const setRows = (doc: Firewall): Row[] =>
  Object.entries(doc.ipsets ?? {}).map(([name, { comment }]) => ({ name, ...(comment === undefined ? {} : { comment }) }));

/**
 * Makes a set, or with `rename` gives one another name; the same name changes its comment. The file is read in lower case: a set made as `Office`
 * is `office` from then on, and no other case finds it.
 */
function addSet(context: Context): null {
  const doc = readFirewall(context);
  const [name, rename] = [nameOf(context), text(context, 'rename')];
  checkListDigest(context, digestOfRows(setRows(doc)));
  if (rename === undefined) {
    if (doc.ipsets?.[name]) invalid({ name: `IPSet '${name}' already exists` });
    return writeFirewall(context, { ...doc, ipsets: { ...doc.ipsets, [keyOf(name)]: { entries: [], ...commentOf(context) } } });
  }
  const { [rename]: before, ...others } = doc.ipsets ?? {};
  if (!before) invalid({ name: `IPSet '${rename}' does not exist` });
  if (others[name]) invalid({ name: `IPSet '${name}' does already exist` });
  return writeFirewall(context, { ...doc, ipsets: { ...others, [keyOf(name)]: { ...before, ...commentOf(context) } } });
}

type Entry = { cidr: string; comment?: string; nomatch?: 1 };

function entriesOf(context: Context): Entry[] {
  return (readFirewall(context).ipsets?.[nameOf(context)] ?? refuse(`no such IPSet '${nameOf(context)}'`)).entries;
}

function saveEntries(context: Context, entries: Entry[]): null {
  const doc = readFirewall(context);
  const name = nameOf(context);
  return writeFirewall(context, { ...doc, ipsets: { ...doc.ipsets, [name]: { ...doc.ipsets?.[name], entries } } });
}

/** A network is stored without the bits of a host; one of IPv6 in lower case. */
function cleaned(cidr: string): string {
  const [address = '', length] = cidr.split('/');
  if (length === undefined || !/^\d/.test(length)) return cidr;
  if (address.includes(':')) return cidr.toLowerCase().replace(/\/128$/, '');
  const whole = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const block = 2 ** (32 - Number(length));
  const masked = Math.floor(whole / block) * block;
  const parts = [24, 16, 8, 0].map((shift) => Math.floor(masked / 2 ** shift) % 256);
  return length === '32' ? parts.join('.') : `${parts.join('.')}/${length}`;
}

function entryFrom(context: Context): Entry {
  return { cidr: cleaned(needed(context, 'cidr')), ...commentOf(context), ...(flag(context, 'nomatch') ? { nomatch: 1 as const } : {}) };
}

function addEntry(context: Context): null {
  const entries = entriesOf(context);
  const entry = entryFrom(context);
  if (entries.some(({ cidr }) => cidr === entry.cidr)) invalid({ cidr: `address '${entry.cidr}' already exists` });
  if (/\/0+$/.test(entry.cidr)) invalid({ cidr: 'a zero prefix is not allowed in ipset entries' });
  return saveEntries(context, [entry, ...entries]);
}

function changeEntry(context: Context): null {
  const entries = entriesOf(context);
  checkListDigest(context, digestOfRows(entries));
  const entry = entryFrom(context);
  if (!entries.some(({ cidr }) => cidr === entry.cidr)) invalid({ cidr: 'no such IP/Network' });
  return saveEntries(
    context,
    entries.map((one) => (one.cidr === entry.cidr ? { ...one, ...entry } : one)),
  );
}

function dropEntry(context: Context): null {
  const entries = entriesOf(context);
  checkListDigest(context, digestOfRows(entries));
  return saveEntries(
    context,
    entries.filter(({ cidr }) => cidr !== needed(context, 'cidr')),
  );
}

function dropSet(context: Context): null {
  const doc = readFirewall(context);
  const name = nameOf(context);
  if (!flag(context, 'force') && (doc.ipsets?.[name]?.entries ?? []).length > 0) refuse(`IPSet '${name}' is not empty`);
  const { [name]: _old, ...ipsets } = doc.ipsets ?? {};
  return writeFirewall(context, { ...doc, ipsets });
}

/** Names that a rule here may use: those of this firewall and of the cluster. */
function references(context: Context): Row[] {
  const type = text(context, 'type');
  const own = reachOf(context) === 'guest' ? [{ scope: 'guest', doc: readFirewall(context) }] : [];
  const cluster = context.world.get('firewall', 'cluster');
  return [...own, ...(cluster ? [{ scope: 'dc', doc: cluster }] : [])].flatMap(({ scope, doc }) => [
    ...(type === 'ipset' ? [] : aliasRows(doc).map(({ name, comment }) => refRow('alias', scope, String(name), comment))),
    ...(type === 'alias' ? [] : setRows(doc).map(({ name, comment }) => refRow('ipset', scope, String(name), comment))),
  ]);
}

const refRow = (type: 'alias' | 'ipset', scope: string, name: string, comment: unknown): Row => ({
  type,
  name,
  scope,
  ref: `${type === 'ipset' ? '+' : ''}${scope}/${name}`,
  ...(comment === undefined ? {} : { comment }),
});

const groupRows = (doc: Firewall): Row[] =>
  Object.entries(doc.groups ?? {}).map(([group, { comment }]) => ({ group, ...(comment === undefined ? {} : { comment }) }));

function addGroup(context: Context): null {
  const doc = readFirewall(context);
  const [group, rename] = [needed(context, 'group'), text(context, 'rename')];
  checkListDigest(context, digestOfRows(groupRows(doc)));
  if (rename === undefined) {
    if (doc.groups?.[group]) invalid({ group: `Security group '${group}' already exists` });
    return writeFirewall(context, { ...doc, groups: { ...doc.groups, [keyOf(group)]: { rules: [], ...commentOf(context) } } });
  }
  const { [rename]: before, ...others } = doc.groups ?? {};
  if (!before) invalid({ group: `Security group '${rename}' does not exist` });
  if (others[group]) invalid({ group: `Security group '${group}' does already exist` });
  return writeFirewall(context, { ...doc, groups: { ...others, [group]: { ...before, ...commentOf(context) } } });
}

/** Rules that use the group do not keep it; its own rules do. */
function dropGroup(context: Context): null {
  const doc = readFirewall(context);
  const group = needed(context, 'group');
  if ((doc.groups?.[group]?.rules ?? []).length > 0) refuse(`Security group '${group}' is not empty`);
  const { [group]: _old, ...groups } = doc.groups ?? {};
  return writeFirewall(context, { ...doc, groups });
}

const setsBelow = (base: string): Routes => ({
  [`GET ${base}/aliases`]: (context) => withDigest(aliasRows(readFirewall(context))),
  [`POST ${base}/aliases`]: addAlias,
  [`GET ${base}/aliases/{name}`]: (context) => ({ ...aliasOf(context), ...versionOf(aliasOf(context).cidr) }),
  [`PUT ${base}/aliases/{name}`]: changeAlias,
  [`DELETE ${base}/aliases/{name}`]: dropAlias,
  [`GET ${base}/ipset`]: (context) => withDigest(setRows(readFirewall(context))),
  [`POST ${base}/ipset`]: addSet,
  [`DELETE ${base}/ipset/{name}`]: dropSet,
  [`GET ${base}/ipset/{name}`]: (context) => withDigest(entriesOf(context)),
  [`POST ${base}/ipset/{name}`]: addEntry,
  [`GET ${base}/ipset/{name}/{cidr}`]: (context) =>
    entriesOf(context).find(({ cidr }) => cidr === needed(context, 'cidr')) ?? invalid({ cidr: 'no such IP/Network' }),
  [`PUT ${base}/ipset/{name}/{cidr}`]: changeEntry,
  [`DELETE ${base}/ipset/{name}/{cidr}`]: dropEntry,
  [`GET ${base}/refs`]: references,
});

const BASES = ['/cluster/firewall', '/nodes/{node}/qemu/{vmid}/firewall', '/nodes/{node}/lxc/{vmid}/firewall'];

export const FIREWALL_SET_ROUTES: Routes = Object.assign(
  {
    'GET /cluster/firewall/groups': (context: Context) => withDigest(groupRows(readFirewall(context))),
    'POST /cluster/firewall/groups': addGroup,
    'DELETE /cluster/firewall/groups/{group}': dropGroup,
  },
  ...BASES.map(setsBelow),
);
