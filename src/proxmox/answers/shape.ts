import { ProxmoxMcpError } from '../../core/errors/errors.ts';
import { isObject } from '../../core/text/json.ts';
import { plainText } from '../../core/text/text.ts';

/** The form that an answer must have before the adapter reads it. Other fields are ignored: Proxmox sends more than it declares. */
interface Shape {
  kind: 'rows' | 'object' | 'vmid';
  /** Fields that every row (or the object) must have. */
  needs?: string[];
  /** Fields that hold text; numbers become text, null counts as absent. */
  texts?: string[];
  /** Fields that hold numbers, which may be written as text; null counts as absent. */
  numbers?: string[];
  /** Fields that become a part of an address. */
  names?: string[];
  /** Rows of a guest's options: `key` says which of them hold numbers. */
  options?: boolean;
  /** Values that the field `status` may have; another one would be taken for one of them. */
  states?: string[];
}

const rows = (...needs: string[]): Shape => ({ kind: 'rows', needs, texts: needs });
const object = (...needs: string[]): Shape => ({ kind: 'object', needs, texts: needs });

const GAUGES = ['maxmem', 'maxdisk', 'cpu', 'mem', 'disk', 'uptime'];
/** Options of a guest that are counted with. */
const COUNTS = ['cores', 'sockets', 'balloon'];

const SHAPES: [path: RegExp, shape: Shape][] = [
  [
    /^\/cluster\/resources$/,
    {
      ...rows('type'),
      texts: ['type', 'name', 'node', 'status', 'pool', 'lock', 'tags', 'hastate', 'storage'],
      numbers: ['maxcpu', ...GAUGES],
      names: ['node', 'storage'],
    },
  ],
  [/^\/cluster\/nextid$/, { kind: 'vmid' }],
  [/^\/cluster\/replication$/, rows()],
  [/^\/access\/permissions$/, object()],
  [/^\/access\/acl$/, rows('path')],
  [/^\/pools$/, rows('poolid')],
  [/^\/nodes$/, { ...rows('node'), texts: ['node', 'status'], numbers: ['maxcpu', ...GAUGES], names: ['node'] }],
  [/^\/nodes\/[^/]+\/status$/, object()],
  [/^\/nodes\/[^/]+\/(qemu|lxc)$/, { ...rows('vmid'), texts: ['name', 'status', 'lock', 'tags'], numbers: ['cpus', ...GAUGES] }],
  [
    /^\/nodes\/[^/]+\/storage$/,
    { ...rows('storage'), texts: ['storage', 'type', 'content'], numbers: ['avail', 'total', 'used'], names: ['storage'] },
  ],
  [
    /^\/nodes\/[^/]+\/storage\/[^/]+\/content$/,
    { ...rows('volid'), texts: ['volid', 'content', 'format', 'parent', 'notes'], numbers: ['size', 'ctime'] },
  ],
  [/^\/nodes\/[^/]+\/network$/, rows('iface')],
  [/^\/nodes\/[^/]+\/tasks$/, { ...rows('upid'), numbers: ['starttime', 'endtime'] }],
  [/^\/nodes\/[^/]+\/tasks\/[^/]+\/status$/, object('status')],
  [/^\/nodes\/[^/]+\/tasks\/[^/]+\/log$/, rows('t')],
  [/^\/nodes\/[^/]+\/(qemu|lxc)\/\d+\/pending$/, { ...rows('key'), options: true }],
  [/^\/nodes\/[^/]+\/(qemu|lxc)\/\d+\/snapshot$/, { ...rows('name'), numbers: ['snaptime'] }],
  [/^\/nodes\/[^/]+\/(qemu|lxc)\/\d+\/config$/, { ...object(), numbers: COUNTS }],
  [
    /^\/nodes\/[^/]+\/(qemu|lxc)\/\d+\/status\/current$/,
    { ...object('status'), texts: ['status', 'qmpstatus', 'lock'], numbers: GAUGES, states: ['running', 'stopped'] },
  ],
];

/** The paths of one cluster are few, and looking for the pattern of one takes as long as checking a guest's answer. */
const MOST_KNOWN = 500;
const known = new Map<string, Shape | undefined>();

function shapeOf(path: string): Shape | undefined {
  if (known.has(path)) return known.get(path);
  if (known.size >= MOST_KNOWN) known.clear();
  const shape = SHAPES.find(([pattern]) => pattern.test(path))?.[1];
  known.set(path, shape);
  return shape;
}

/**
 * The data of an answer to a GET, as the adapter may read it; numbers where text belongs have become text.
 * @throws proxmox_refused when it is not what the API answers there: a proxy, a captive page or another server spoke
 */
export function shaped(path: string, data: unknown): unknown {
  const shape = shapeOf(path);
  if (!shape) return data;
  const fault = shape.kind === 'rows' ? rowsFault(data, shape) : shape.kind === 'vmid' ? vmidFault(data) : objectFault(data, shape);
  if (fault === undefined) return data;
  throw new ProxmoxMcpError('proxmox_refused', `GET ${path}: ${fault}, which is not a valid answer of the Proxmox API.`, {
    hint: 'Check that PROXMOX_HOST names a Proxmox VE node and that nothing in between answers for it.',
  });
}

const GUEST_NEEDS = ['vmid', 'node'];

function rowsFault(data: unknown, shape: Shape): string | undefined {
  if (!Array.isArray(data)) return `the answer is ${nameOf(data)} instead of a list`;
  const telltale = shape.needs?.includes('type');
  for (const row of data) {
    if (telltale && isPlainGuest(row)) continue;
    // The list of the cluster tells where a guest is; the containers of one node have a type too, and no node.
    const needs = telltale && isGuest(row) ? GUEST_NEEDS : shape.needs;
    const fault = objectFault(row, shape, needs) ?? vmidFault(row.vmid ?? undefined) ?? (shape.options ? optionFault(row) : undefined);
    if (fault !== undefined) return `in a row of the list ${fault}`;
  }
  return undefined;
}

/**
 * Whether a row of the cluster's list is a guest in which every text and every number is one. Written out for the thousands of guests of a fleet,
 * because names that are looked up one by one take as long as reading the JSON. The general check changes any other row, or finds its fault.
 */
function isPlainGuest(row: Record<string, unknown> | null): boolean {
  if (typeof row !== 'object' || row === null || (row.type !== 'qemu' && row.type !== 'lxc')) return false;
  const { vmid } = row;
  return (
    typeof row.node === 'string' &&
    NAME.test(row.node) &&
    typeof vmid === 'number' &&
    Number.isInteger(vmid) &&
    vmid > 0 &&
    vmid < 1e9 &&
    isTextOrAbsent(row.name) &&
    isTextOrAbsent(row.status) &&
    isTextOrAbsent(row.pool) &&
    isTextOrAbsent(row.lock) &&
    isTextOrAbsent(row.tags) &&
    isTextOrAbsent(row.hastate) &&
    row.storage === undefined &&
    isNumberOrAbsent(row.maxcpu) &&
    isNumberOrAbsent(row.maxmem) &&
    isNumberOrAbsent(row.maxdisk) &&
    isNumberOrAbsent(row.cpu) &&
    isNumberOrAbsent(row.mem) &&
    isNumberOrAbsent(row.disk) &&
    isNumberOrAbsent(row.uptime)
  );
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function isNumberOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'number';
}

function objectFault(data: unknown, shape: Shape, needs = shape.needs ?? []): string | undefined {
  const { texts = [], numbers = [], names = [], states } = shape;
  if (!isObject(data)) return `the answer is ${nameOf(data)} instead of an object`;
  for (const name of texts) {
    const value = data[name];
    if (value === null) delete data[name];
    else if (typeof value === 'number') data[name] = String(value);
    else if (value !== undefined && typeof value !== 'string') return `${name} is ${nameOf(value)} instead of text`;
  }
  for (const name of numbers) {
    const value = data[name];
    if (value === null) delete data[name];
    else if (typeof value !== 'number' && value !== undefined && !isNumber(value)) return `${name} is ${nameOf(value)} instead of a number`;
  }
  const missing = needs.find((name) => data[name] === undefined || data[name] === null);
  if (missing !== undefined) return `${missing} is missing`;
  const odd = names.find((name) => data[name] !== undefined && !NAME.test(String(data[name])));
  if (odd !== undefined) return `${odd} is "${plainText(String(data[odd]), 40)}"`;
  return states?.includes(String(data.status)) === false ? `status is "${plainText(String(data.status), 40)}"` : undefined;
}

/** Of nodes and storages. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

function optionFault({ key, value, pending }: Record<string, unknown>): string | undefined {
  if (!COUNTS.includes(String(key))) return undefined;
  const odd = [value, pending].find((one) => one !== undefined && one !== null && typeof one !== 'number' && !isNumber(one));
  return odd === undefined ? undefined : `${String(key)} is ${nameOf(odd)} instead of a number`;
}

function isNumber(value: unknown): boolean {
  return typeof value === 'string' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value);
}

function isGuest(row: unknown): boolean {
  return isObject(row) && (row.type === 'qemu' || row.type === 'lxc');
}

/** Volumes without an owner have no VMID, or none but null. */
function vmidFault(value: unknown): string | undefined {
  if (value === undefined || (Number.isInteger(value) && (value as number) > 0 && (value as number) < 1e9)) return undefined;
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  return /^[1-9]\d{0,8}$/.test(text) ? undefined : `the VMID is ${nameOf(value)}`;
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : typeof value === 'string' ? 'text' : `a ${typeof value}`;
}
