/** Compares recorded answers with replayed ones: everything must agree but what is drawn at random or measured. */

/** Things that are named differently in every run; the same recorded one must always meet the same replayed one. */
const TOKENS: [string, RegExp][] = [
  ['fingerprint', /(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/g],
  ['upid', /UPID:[\w-]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:/gi],
  ['backup', /vzdump-(?:qemu|lxc)-\d+-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d/g],
  ['upload', /pveupload-[0-9a-f]{32}/g],
  ['uuid', /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi],
  ['digest', /\b[0-9a-f]{40}\b/g],
  ['mac', /\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi],
  ['link-local', /fe80::[0-9a-f:]+/g],
];

/** Moments and salted hashes inside texts: only their place counts. */
const MOMENTS = [/\bctime=\d+/g, /\$5\$[\w./]+\$[\w./]+/g, /\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?/g];

/** Gauges that the hypervisor leaves out until the guest has reported or read for the first time. */
const LATE_GAUGES = new Set(
  'idle_time_ns freemem free_mem total_mem last_update mem_swapped_in mem_swapped_out major_page_faults minor_page_faults'.split(' '),
);

/** Figures of the machine on which the recording was made, and of the moment: only their type counts. */
const MEASURES = new Set(
  (
    'pid pstart starttime endtime snaptime ctime time uptime cpu mem memhost free_mem freemem total_mem last_update netin netout ' +
    'diskread diskwrite used avail total used_fraction loadavg idle wait free available mem_swapped_in mem_swapped_out major_page_faults minor_page_faults ' +
    'running-qemu runningcpu running-nets-host-mtu next-run notbefore notafter mhz disk pbs-library-version subject issuer public-key-bits san'
  ).split(' '),
);

export interface Names {
  /** recorded → replayed, by kind. */
  forward: Map<string, string>;
  backward: Map<string, string>;
}

export const newNames = (): Names => ({ forward: new Map(), backward: new Map() });

/** The replayed counterpart of every recorded name in a text, as far as it is known. */
export function translate(names: Names, text: string): string {
  let translated = text;
  for (const [recorded, replayed] of names.forward) {
    translated = translated.replaceAll(recorded, replayed);
    // Encoding hundreds of names for thousands of texts would take longer than the comparison.
    if (translated.includes('%')) translated = translated.replaceAll(encodeURIComponent(recorded), encodeURIComponent(replayed));
  }
  return translated;
}

function pair(names: Names, recorded: string, replayed: string): boolean {
  const known = names.forward.get(recorded);
  const back = names.backward.get(replayed);
  if (known === undefined && back === undefined) {
    names.forward.set(recorded, replayed);
    names.backward.set(replayed, recorded);
    return true;
  }
  return known === replayed && back === recorded;
}

const PLACEHOLDER = /<[a-z-]+>/;

function compareText(names: Names, recorded: string, replayed: string): boolean {
  if (PLACEHOLDER.test(recorded)) {
    const pattern = recorded.split(/<[a-z-]+>/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${pattern.join('[^]*')}$`).test(replayed);
  }
  let [left, right] = [recorded, replayed];
  for (const [kind, pattern] of TOKENS) {
    const [a, b] = [left.match(pattern) ?? [], right.match(pattern) ?? []];
    if (a.length !== b.length) return false;
    for (const [index, name] of a.entries()) if (!pair(names, name, b[index] as string)) return false;
    left = left.replaceAll(pattern, `{${kind}}`);
    right = right.replaceAll(pattern, `{${kind}}`);
  }
  for (const moment of MOMENTS) {
    left = left.replaceAll(moment, '{moment}');
    right = right.replaceAll(moment, '{moment}');
  }
  return left === right;
}

/** What identifies a row of a list; lists have no order of their own. */
function keyOf(names: Names, row: unknown, translated: boolean): string {
  if (typeof row !== 'object' || row === null) return JSON.stringify(row);
  const fields = row as Record<string, unknown>;
  if (fields.roleid !== undefined && fields.ugid !== undefined) return `${fields.path} ${fields.ugid} ${fields.roleid}`;
  if (fields['ip-address-type'] !== undefined) return String(fields['ip-address-type']);
  for (const field of [
    'upid',
    'n',
    'volid',
    'id',
    'sid',
    'key',
    'vmid',
    'poolid',
    'storage',
    'iface',
    'roleid',
    'userid',
    'tokenid',
    'realm',
    'subdir',
    'filename',
    'pos',
    'name',
  ]) {
    if (fields[field] === undefined) continue;
    const value = String(fields[field]);
    return `${field}=${(translated ? translate(names, value) : value).replace(/\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d/, '{moment}')}`;
  }
  return JSON.stringify(row, Object.keys(fields).sort());
}

/** Differences, each as `path: recorded → replayed`; empty when the answers agree. */
export function compare(names: Names, recorded: unknown, replayed: unknown, at = 'data'): string[] {
  const name = at.split('.').at(-1)?.replace(/\[.*$/, '') ?? '';
  const differ = () => [`${at}: ${JSON.stringify(recorded)?.slice(0, 300)} → ${JSON.stringify(replayed)?.slice(0, 300)}`];
  if (Array.isArray(recorded)) {
    if (!Array.isArray(replayed)) return differ();
    if (MEASURES.has(name)) return recorded.length > 0 === replayed.length > 0 ? [] : differ();
    return compareLists(names, recorded, replayed, at);
  }
  if (typeof recorded === 'object' && recorded !== null) {
    if (typeof replayed !== 'object' || replayed === null || Array.isArray(replayed)) return differ();
    const [left, right] = [recorded as Record<string, unknown>, replayed as Record<string, unknown>];
    const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...keys].flatMap((key) => {
      if (LATE_GAUGES.has(key) && !(key in left && key in right)) return [];
      if (!(key in left)) return [`${at}.${key}: not recorded → ${JSON.stringify(right[key])?.slice(0, 120)}`];
      if (!(key in right)) return [`${at}.${key}: ${JSON.stringify(left[key])?.slice(0, 120)} → missing`];
      return compare(names, left[key], right[key], `${at}.${key}`);
    });
  }
  if (name === 'size' && at.includes('vzdump-')) return typeof recorded === typeof replayed ? [] : differ();
  if (MEASURES.has(name) || /\.(blockstat|nics|statistics)\./.test(at)) return typeof recorded === typeof replayed ? [] : differ();
  // A number or a string, by chance.
  if (name === 'saved') return String(recorded) === String(replayed) ? [] : differ();
  // The recorded guest takes its address by DHCP, whatever was configured.
  if (name === 'ip-address' && /^10\.77\.0\.\d+$/.test(String(recorded))) return /^10\.77\.0\.\d+$/.test(String(replayed)) ? [] : differ();
  // A set in the implementation: printed in any order.
  if (name === 'content' && typeof recorded === 'string' && typeof replayed === 'string' && !at.includes('result')) {
    return recorded.split(',').sort().join() === replayed.split(',').sort().join() ? [] : differ();
  }
  if (typeof recorded === 'string' && typeof replayed === 'string') return compareText(names, recorded, replayed) ? [] : differ();
  return recorded === replayed ? [] : differ();
}

/** How many rows were cut off a recorded list; nothing when it is whole. */
function cutOff(rows: unknown[]): number | undefined {
  const found = /^<(\d+) more>$/.exec(String(rows.at(-1)))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Of a list that was cut, the rows that are left have to be there, and the number has to be right. */
function compareCut(names: Names, recorded: unknown[], more: number, replayed: unknown[], at: string): string[] {
  const rows = recorded.slice(0, -1);
  const there = new Set(replayed.map((row) => keyOf(names, row, false)));
  const missing = rows.filter((row) => !there.has(keyOf(names, row, true)));
  const length = rows.length + more === replayed.length ? [] : [`${at}: ${rows.length + more} entries → ${replayed.length}`];
  return [...length, ...missing.map((row) => `${at}: ${JSON.stringify(row)} → missing`)];
}

function compareLists(names: Names, recorded: unknown[], replayed: unknown[], at: string): string[] {
  const more = cutOff(recorded);
  if (more !== undefined) return compareCut(names, recorded, more, replayed, at);
  if (recorded.length !== replayed.length)
    return [`${at}: ${recorded.length} entries ${describe(recorded)} → ${replayed.length} ${describe(replayed)}`];
  const left = new Map(replayed.map((row) => [keyOf(names, row, false), row]));
  return recorded.flatMap((row, index) => {
    const key = keyOf(names, row, true);
    // A task not met before is known by its place: lists of tasks are in order.
    if (!left.has(key) && key.startsWith('upid=')) return compare(names, row, replayed[index], `${at}[${index}]`);
    if (!left.has(key)) return [`${at}[${key}]: recorded → missing among ${[...left.keys()].join(' ').slice(0, 300)}`];
    return compare(names, row, left.get(key), `${at}[${key.replaceAll('.', '_')}]`);
  });
}

const describe = (rows: unknown[]): string => JSON.stringify(rows.map((row) => keyOf(newNames(), row, false))).slice(0, 300);
