import { readData } from './data.ts';
import { checkFormat } from './formats.ts';
import { type Format as FormatOf, parsePropertyString } from './property-string.ts';

export type Format = FormatOf<Property>;

export interface Property {
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'null';
  optional?: 1;
  default?: string | number;
  format?: string | Format;
  pattern?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  requires?: string;
  items?: Property;
  n_max?: number;
  default_key?: 1;
  alias?: string;
  keyAlias?: string;
}

export interface Permission {
  user?: 'all' | 'world';
  check?: unknown[];
}

export interface Method {
  /** Path template, as in `/nodes/{node}/qemu/{vmid}/config`. */
  path: string;
  method: string;
  parameters: Record<string, Property>;
  permission: Permission | undefined;
  allowsTokens: boolean;
  open: boolean;
  proxyto: string | undefined;
}

export type Value = string | string[];
export type Params = Record<string, Value>;

interface RawMethod {
  p: Record<string, number>;
  c?: number;
  noToken?: 1;
  open?: 1;
  proxyto?: string;
}

interface Raw {
  formats: Record<string, Format>;
  types: Property[];
  permissions: Permission[];
  methods: Record<string, Record<string, RawMethod>>;
}

interface Branch {
  literal: Map<string, Branch>;
  named: { name: string; branch: Branch } | undefined;
  path: string | undefined;
}

let loaded: { raw: Raw; tree: Branch } | undefined;

function contract(): { raw: Raw; tree: Branch } {
  if (loaded) return loaded;
  const raw = JSON.parse(readData('contract.json')) as Raw;
  const tree: Branch = { literal: new Map(), named: undefined, path: undefined };
  for (const path of Object.keys(raw.methods)) {
    let at = tree;
    for (const segment of path.split('/').filter(Boolean)) at = descend(at, segment);
    at.path = path;
  }
  loaded = { raw, tree };
  return loaded;
}

function descend(at: Branch, segment: string): Branch {
  const fresh = (): Branch => ({ literal: new Map(), named: undefined, path: undefined });
  if (segment.startsWith('{')) {
    at.named ??= { name: segment.slice(1, -1), branch: fresh() };
    return at.named.branch;
  }
  const next = at.literal.get(segment) ?? fresh();
  at.literal.set(segment, next);
  return next;
}

/** The registered property-string format of that name (also `#n`, the anonymous ones). */
export function propertyFormat(name: string): Format {
  const format = contract().raw.formats[name];
  if (!format) throw new Error(`no property-string format ${name}`);
  return format;
}

/** Finds the method of a request path below /api2/json; a volume or a network at the end may hold slashes. Nothing when the API has no such method. */
export function findMethod(method: string, path: string): { method: Method; uri: Record<string, string> } | undefined {
  const { raw, tree } = contract();
  const segments = path.split('/').filter((segment) => segment !== '');
  const uri: Record<string, string> = {};
  let at = tree;
  for (const [index, encoded] of segments.entries()) {
    const segment = decode(encoded);
    const literal = at.literal.get(segment);
    if (literal) at = literal;
    else if (at.named) {
      if (at.named.name === 'volume' || at.named.name === 'cidr') {
        uri[at.named.name] = segments.slice(index).map(decode).join('/');
        at = at.named.branch;
        break;
      }
      uri[at.named.name] = segment;
      at = at.named.branch;
    } else return undefined;
  }
  const template = at.path;
  const found = template === undefined ? undefined : raw.methods[template]?.[method];
  return found && template !== undefined ? { method: describe(raw, template, method, found), uri } : undefined;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

const described = new Map<RawMethod, Method>();

function describe(raw: Raw, path: string, method: string, found: RawMethod): Method {
  const known = described.get(found);
  if (known) return known;
  const parameters = Object.fromEntries(Object.entries(found.p).map(([name, index]) => [name, raw.types[index] as Property]));
  const made: Method = {
    path,
    method,
    parameters,
    permission: found.c === undefined ? undefined : (raw.permissions[found.c] as Permission),
    allowsTokens: found.noToken !== 1,
    open: found.open === 1,
    proxyto: found.proxyto,
  };
  described.set(found, made);
  return made;
}

/** The declaration of a parameter; `scsi0` is found under `scsi[n]`. */
export function parameterOf(method: Method, name: string): Property | undefined {
  const direct = method.parameters[name];
  if (direct) return direct;
  const numbered = /^(.*?)(\d+)$/.exec(name);
  if (!numbered) return undefined;
  const declared = method.parameters[`${numbered[1]}[n]`];
  return declared && Number(numbered[2]) <= (declared.n_max ?? -1) ? declared : undefined;
}

/** The fault of one value, in the implementation's words, or nothing. `name` is used as the prefix inside property strings. */
export function checkProperty(declared: Property, value: Value, name?: string): string | undefined {
  if (declared.type === 'array') {
    for (const item of Array.isArray(value) ? value : [value]) {
      const wrong = declared.items ? checkProperty(declared.items, item) : undefined;
      if (wrong) return wrong;
    }
    return undefined;
  }
  if (Array.isArray(value)) return `type check ('${declared.type ?? 'string'}') failed - got ARRAY`;
  if (declared.type === 'integer' && !/^[+-]?\d+$/.test(value)) return `type check ('integer') failed - got '${value}'`;
  if (declared.type === 'number' && !/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value))
    return `type check ('number') failed - got '${value}'`;
  if (declared.type === 'boolean') return value === '0' || value === '1' ? undefined : `type check ('boolean') failed - got '${value}'`;
  const formatted = declared.format === undefined ? undefined : checkFormatted(declared.format, value, name);
  if (formatted) return formatted;
  if (declared.type === 'string' || declared.type === undefined) {
    if (declared.maxLength !== undefined && [...value].length > declared.maxLength)
      return `value may only be ${declared.maxLength} characters long`;
    if (declared.minLength !== undefined && [...value].length < declared.minLength)
      return `value must be at least ${declared.minLength} characters long`;
    if (declared.pattern !== undefined && !perlPattern(declared.pattern).test(value)) return 'value does not match the regex pattern';
  }
  if (declared.type === 'integer' || declared.type === 'number') {
    if (declared.maximum !== undefined && Number(value) > declared.maximum) return `value must have a maximum value of ${declared.maximum}`;
    if (declared.minimum !== undefined && Number(value) < declared.minimum) return `value must have a minimum value of ${declared.minimum}`;
  }
  if (declared.enum && !declared.enum.includes(value)) {
    return `value '${value}' does not have a value in the enumeration '${declared.enum.join(', ')}'`;
  }
  return undefined;
}

function checkFormatted(format: string | Format, value: string, name: string | undefined): string | undefined {
  const fields = typeof format === 'string' ? contract().raw.formats[format] : format;
  if (!fields) {
    const wrong = checkFormat(format as string, value);
    return wrong === undefined ? undefined : `invalid format - ${wrong}\n`;
  }
  const parsed = parsePropertyString(fields, value, checkProperty);
  if (parsed.broken) return `invalid format - ${parsed.broken}\n`;
  const errors = Object.entries(parsed.errors);
  if (errors.length === 0) return undefined;
  const prefix = name === undefined ? '' : `${name}.`;
  return `invalid format - format error\n${errors.map(([key, text]) => `${prefix}${key}: ${text}\n`).join('')}`;
}

const patterns = new Map<string, RegExp>();

/** Perl's inline flags `(?^i:…)` are taken off; the implementation anchors every pattern. */
function perlPattern(source: string): RegExp {
  const known = patterns.get(source);
  if (known) return known;
  const ignoreCase = source.includes('(?^i:') || source.includes('(?i)');
  const made = new RegExp(`^(?:${source.replaceAll(/\(\?\^[a-z]*:/g, '(?:').replaceAll('(?i)', '')})$`, ignoreCase ? 'i' : '');
  patterns.set(source, made);
  return made;
}

/** Every fault of a request's parameters, keyed by parameter. Path parameters are in `params` too. */
export function validateParams(method: Method, params: Params): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const [name, value] of Object.entries(params)) {
    const declared = parameterOf(method, name);
    if (!declared) {
      if (!method.open) errors[name] = 'property is not defined in schema and the schema does not allow additional properties';
      continue;
    }
    const wrong = checkProperty(declared, value, name);
    if (wrong) errors[name] = wrong;
    if (declared.requires && params[declared.requires] === undefined) {
      errors[declared.requires] = `missing property required by '${name}'`;
    }
  }
  for (const [name, declared] of Object.entries(method.parameters)) {
    if (declared.optional || name.endsWith('[n]') || params[name] !== undefined) continue;
    errors[name] = 'property is missing and it is not optional';
  }
  return errors;
}

/**
 * Checks a request against the recorded contract of Proxmox VE 9.2 (all 661 methods), without a server.
 *
 * @param path below /api2/json, with real values: `/nodes/pve/qemu/100/config`
 * @returns parameter → complaint as the API words it; empty when the request is valid; `{ path }` when there is no such method
 */
export function validateRequest(method: string, path: string, params: Params): Record<string, string> {
  const found = findMethod(method, path);
  if (!found) return { path: `Method '${method} ${path}' not implemented` };
  return validateParams(found.method, { ...params, ...found.uri });
}
