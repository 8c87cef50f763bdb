import * as z from 'zod';
import { nearest } from '../../core/text/nearest.ts';
import { counted, plainText } from '../../core/text/text.ts';
import type { Operation } from '../../operations/define.ts';
import { unwrap } from './coerce.ts';

type Schema = z.core.$ZodType;

/** Names that the schema itself does not have. */
export interface Elsewhere {
  /** Parameters that belong to the object but are read elsewhere. */
  more: readonly string[];
  /** Tools that an unknown parameter may be meant for. */
  tools: readonly Operation[];
}

interface Refused extends Elsewhere {
  schema: Schema;
  given: unknown;
}

/** Words that mean one parameter: its names in other tools, in Proxmox and in answers of this server. Compared without case and signs. */
const SAME: readonly (readonly string[])[] = [
  ['vmid', 'id', 'vm', 'guest', 'guestid', 'ctid'],
  ['name', 'hostname', 'vmname', 'guestname'],
  ['sourcevmid', 'source', 'template', 'templateid', 'templatevmid', 'fromvmid'],
  ['sourcename', 'templatename'],
  ['memory', 'memorymb', 'memorymib', 'mem', 'ram', 'rammb'],
  ['cores', 'cpus', 'vcpus', 'cpucores', 'corecount'],
  ['diskgb', 'sizegb', 'disk', 'disksize', 'disksizegb', 'size'],
  ['netbridge', 'bridge', 'network', 'net'],
  ['node', 'targetnode', 'target', 'tonode', 'to', 'destination', 'host'],
  ['vlan', 'vlanid', 'vlantag'],
  ['start', 'startoncreate', 'startaftercreate', 'poweron', 'autostart'],
  ['cloudinit', 'ci'],
  ['sshkeys', 'sshkey', 'sshpublickey', 'sshpublickeys', 'publickey', 'publickeys', 'sshauthorizedkeys'],
  ['user', 'username', 'ciuser'],
  ['password', 'cipassword'],
  ['ipconfig0', 'ip', 'ipconfig', 'ipaddress', 'address'],
  ['nameserver', 'nameservers', 'dns'],
  ['description', 'notes', 'note', 'comment'],
  ['tags', 'tag'],
  ['status', 'state'],
  ['iso', 'isoimage', 'cdrom'],
  ['image', 'diskimage', 'importfrom'],
  ['fullclone', 'full', 'linked'],
  ['timeout', 'timeoutseconds'],
  ['waitseconds', 'wait'],
  ['loglines', 'lines'],
  ['approvalid', 'approval'],
  ['argv', 'command', 'cmd', 'args', 'program'],
];

/**
 * The problems of arguments, one sentence each. It names the parameter and never its value, which may be a secret. A parameter that is missing
 * because it is misspelt is not a problem of its own.
 */
export function problemsOf({ issues }: z.core.$ZodError, refused: Refused): { problems: string[]; parameters?: string[] } {
  const unknown = issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? unknownIn(issue, refused) : []));
  const explained = (path: string) =>
    unknown.some(({ meant, where }) => path === where || path === [where, meant].filter(Boolean).join('.'));
  // A value of another type breaks rules that are about the right one, too.
  const mistyped = issues.filter(({ code }) => code === 'invalid_type').map(placeOf);
  const others = issues.flatMap((issue, index) => {
    const where = placeOf(issue);
    // A whole number has the bounds of all whole numbers before its own.
    const again = (later: z.core.$ZodIssue) => later.code === issue.code && placeOf(later) === where;
    if (issue.code === 'unrecognized_keys' || (isLength(issue) && issues.slice(index + 1).some(again))) return [];
    // A text of a wrong length breaks its other rule, too.
    if (issue.code === 'custom' && issues.some((other) => isLength(other) && placeOf(other) === where)) return [];
    if (issue.code !== 'invalid_type' && mistyped.includes(where)) return [];
    const value = at(refused.given, issue.path);
    if ((issue.code === 'custom' || value === undefined) && explained(where)) return [];
    return [sentence(issue, where || 'the argument', value, schemaAt(refused.schema, issue.path))];
  });
  const lost = unknown.find(({ meant, tool }) => (meant ?? tool) === undefined);
  return { problems: [...new Set([...unknown.map(({ text }) => text), ...others])], ...(lost ? { parameters: lost.known } : {}) };
}

function placeOf({ path }: Pick<z.core.$ZodIssue, 'path'>): string {
  return path.map(String).join('.');
}

function unknownIn(issue: z.core.$ZodIssueUnrecognizedKeys, { given, schema, more, tools }: Refused) {
  const where = placeOf(issue);
  const object = schemaAt(schema, issue.path);
  const known = [...Object.keys(shapeOf(object)), ...(where === '' ? more : [])];
  return issue.keys.map((key) => {
    const meant = meantBy(key, known, object);
    const what = `unknown parameter "${plainText(key, 60)}"${where === '' ? '' : ` in ${where}`}`;
    const tool = meant === undefined && where === '' ? toolWith(key, at(given, [key]), tools) : undefined;
    const text = meant !== undefined ? `${what}: did you mean ${meant}?` : tool === undefined ? what : `${what}: use ${tool}`;
    return { where, known, meant, tool, text };
  });
}

/** The only other tool that has the parameter, under this word or another one for it, and takes its value. */
function toolWith(key: string, value: unknown, tools: readonly Operation[]): string | undefined {
  const found = tools.filter(({ input: { shape } }) => {
    const type = shape[sameWord(key, Object.keys(shape)) ?? ''];
    return type !== undefined && z.core.safeParse(type, value).success;
  });
  return found.length === 1 ? found[0]?.name : undefined;
}

/** `timeout must be a whole number.` */
function sentence(issue: z.core.$ZodIssue, where: string, value: unknown, schema: Schema | undefined): string {
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? `${where} is missing`
        : `${where} must be ${isWhole(schema) ? KINDS.int : (KINDS[issue.expected] ?? issue.expected)}`;
    case 'invalid_value':
      return `${where} must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return issue.minimum === 1 && issue.origin === 'string'
        ? `${where} must not be empty`
        : `${where} must ${amount('at least', issue.minimum, issue.origin)}`;
    case 'too_big':
      return `${where} must ${amount('at most', issue.maximum, issue.origin)}`;
    default:
      if (issue.path.length === 0) return issue.message;
      return issue.message.startsWith('must ') ? `${where} ${issue.message}` : `${where}: ${issue.message}`;
  }
}

function isLength({ code }: z.core.$ZodIssue): boolean {
  return code === 'too_big' || code === 'too_small';
}

/** Zod says `number` of a text where it wants an integer. */
function isWhole(schema: Schema | undefined): boolean {
  const def = schema === undefined ? undefined : unwrap(schema)._zod.def;
  return def?.type === 'number' && 'format' in def && def.format === 'safeint';
}

const KINDS: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function amount(bound: string, limit: number | bigint, origin: string): string {
  if (origin === 'string') return `have ${bound} ${counted(Number(limit), 'character')}`;
  return origin === 'array' ? `have ${bound} ${counted(Number(limit), 'item')}` : `be ${bound} ${limit}`;
}

/** The parameter that another word stands for: in this object, or in an object inside it. */
function meantBy(word: string, known: readonly string[], schema: Schema | undefined): string | undefined {
  const alike = sameWord(word, known);
  if (alike !== undefined) return alike;
  for (const [name, inner] of Object.entries(shapeOf(schema))) {
    const member = sameWord(word, Object.keys(shapeOf(inner)));
    if (member !== undefined) return `${name}.${member}`;
  }
  // `ipconfig32` and `ipconfig2` are alike, and mean two network cards.
  const letters = (text: string) => text.toLowerCase().replace(/\d/g, '');
  return nearest(word, known).find((near) => letters(near) !== letters(word));
}

function sameWord(word: string, known: readonly string[]): string | undefined {
  const bare = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const group = SAME.find((words) => words.includes(bare(word))) ?? [];
  return known.find((name) => bare(name) === bare(word)) ?? known.find((name) => group.includes(bare(name)));
}

function shapeOf(schema: Schema | undefined): Readonly<Record<string, Schema>> {
  const def = schema === undefined ? undefined : unwrap(schema)._zod.def;
  return def?.type === 'object' ? def.shape : {};
}

function schemaAt(schema: Schema, path: readonly PropertyKey[]): Schema | undefined {
  return path.reduce<Schema | undefined>((at, key) => {
    const def = at === undefined ? undefined : unwrap(at)._zod.def;
    return def?.type === 'array' ? def.element : def?.type === 'object' ? def.shape[String(key)] : undefined;
  }, schema);
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);
}
