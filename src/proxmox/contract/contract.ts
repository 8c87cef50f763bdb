import { defined } from '../../core/defined.ts';
import { decoded } from '../../core/text/text.ts';

/** Type of a parameter as the API declares it; an option `scsi[n]` counts from 0 to `n_max`. */
export interface Parameter {
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'null';
  optional?: 1;
  /** Name of a format, or a property string with a type for each property. A name with `#` is of a property string too. */
  format?: string | Record<string, Parameter>;
  pattern?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  /** Another parameter that must be sent too. */
  requires?: string;
  items?: Parameter;
  n_max?: number;
}

/** `all`: the code of the method decides; `world`: open without a login. */
export interface Permission {
  user?: 'all' | 'world';
  /** An expression of `perm`, `and`, `or` and the like, as the API declares it. */
  check?: readonly unknown[];
}

/** One of the API's methods. */
export interface ApiMethod {
  method: string;
  /** Template: `/nodes/{node}/qemu/{vmid}/config`. */
  path: string;
  parameters: Readonly<Record<string, Parameter>>;
  /** Absent: only root@pam itself may call it, never a token. */
  permission?: Permission;
  /** Parameters beside the declared ones are accepted. */
  open: boolean;
  /** API tokens are refused. */
  noToken: boolean;
}

/** The methods of Proxmox VE 9.2. */
export interface Contract {
  methods: readonly ApiMethod[];
  /** By its name in the contract: `POST /nodes/{node}/qemu/{vmid}/config`. */
  named(name: string): ApiMethod | undefined;
  /** The method of a request, with the values in its path; undefined where the API has none. @param path below /api2/json, segments encoded */
  find(method: string, path: string): { api: ApiMethod; at: Record<string, string> } | undefined;
  /** The pattern of a format that code checks. */
  pattern(name: string): string | undefined;
}

interface Raw {
  patterns: Record<string, string>;
  types: Parameter[];
  permissions: Permission[];
  methods: Record<string, Record<string, RawMethod>>;
}
interface RawMethod {
  /** Parameters by name, with the index of their type. */
  in?: Record<string, number>;
  /** Index of the permission. */
  may?: number;
  open?: 1;
  noToken?: 1;
}

let loaded: Promise<Contract> | undefined;

/** Read at the first need: 130 kB, which starting up does without. */
export function contract(): Promise<Contract> {
  loaded ??= import('./contract.json', { with: { type: 'json' } }).then(({ default: raw }) => contractOf(raw as unknown as Raw));
  return loaded;
}

function contractOf(raw: Raw): Contract {
  const methods = Object.entries(raw.methods).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([method, one]) => describe(raw, method, path, one)),
  );
  const byName = new Map(methods.map((one) => [`${one.method} ${one.path}`, one]));
  const templates = Object.keys(raw.methods).map((path) => ({ path, segments: path.split('/').slice(1) }));
  return {
    methods,
    named: (name) => byName.get(name),
    find(method, path) {
      const segments = path.split('/').slice(1);
      const fits = templates.filter((one) => one.segments.length === segments.length && one.segments.every(stands(segments)));
      // A literal segment goes before a parameter: `/snapshot/{snapname}` has no `config` of its own.
      const [first] = fits.sort((a, b) => literals(b.segments) - literals(a.segments));
      const api = first && byName.get(`${method} ${first.path}`);
      if (!first || !api) return undefined;
      const named = first.segments.flatMap((part, index) => (isName(part) ? [[part.slice(1, -1), decoded(segments[index] ?? '')]] : []));
      return { api, at: Object.fromEntries(named) as Record<string, string> };
    },
    pattern: (name) => raw.patterns[name],
  };
}

function describe(raw: Raw, method: string, path: string, one: RawMethod): ApiMethod {
  const permission = one.may === undefined ? undefined : raw.permissions[one.may];
  return {
    method,
    path,
    parameters: Object.fromEntries(Object.entries(one.in ?? {}).map(([name, index]) => [name, raw.types[index] ?? {}])),
    ...defined({ permission }),
    open: one.open === 1,
    noToken: one.noToken === 1,
  };
}

const isName = (part: string) => part.startsWith('{');
const stands = (segments: readonly string[]) => (part: string, index: number) => isName(part) || part === segments[index];
const literals = (segments: readonly string[]) => segments.filter((part) => !isName(part)).length;
