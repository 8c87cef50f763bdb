import { asError } from '../core/errors/errors.ts';
import type { Condition } from '../core/plan/plan.ts';
import type { GetApi } from '../core/proxmox.ts';
import { addressesOf } from './guest/addresses.ts';
import { path } from './guest/encode.ts';
import { type GuestAt, guestPath, isAnother, isFree, readGuest } from './guest/guests.ts';
import { parseProperties, parseSizeGib } from './guest/property-strings.ts';
import { storageOf } from './storage.ts';

type Of<K extends Condition['kind']> = Extract<Condition, { kind: K }>;

/**
 * Whether a condition holds now, by GET requests alone; undefined when the token cannot see enough to tell.
 * @param since epoch seconds by the server's clock; only newer backups count
 */
export async function holds(api: GetApi, condition: Condition, since = 0): Promise<boolean | undefined> {
  switch (condition.kind) {
    case 'guest':
      return guest(api, condition);
    case 'config':
      return config(api, condition);
    case 'disk':
      return disk(api, condition);
    case 'address':
      return ((await addressesOf(api, await readGuest(api, condition))).ip_addresses ?? []).length > 0;
    case 'location': {
      const seen = await look(() => api.get(`${guestPath(condition)}/status/current`));
      return seen.kind === 'hidden' ? undefined : seen.kind === 'seen';
    }
    case 'backup':
      return backup(api, condition, since);
    case 'listed':
      return listed(api, condition);
    case 'reads':
      return reads(api, condition);
  }
}

type Looked<T> = { kind: 'seen'; value: T } | { kind: 'none' } | { kind: 'hidden' };

/** Missing and forbidden are answers here; every other failure is thrown. */
async function look<T>(read: () => Promise<T>): Promise<Looked<T>> {
  try {
    return { kind: 'seen', value: await read() };
  } catch (thrown) {
    const { code } = asError(thrown);
    if (code === 'guest_not_found') return { kind: 'none' };
    if (code === 'permission_denied') return { kind: 'hidden' };
    throw thrown;
  }
}

/** GET …/status/current; where it shows nothing, GET /cluster/nextid proves a VMID free even to a token that may not see the guest. */
async function guest(api: GetApi, condition: Of<'guest'>): Promise<boolean | undefined> {
  const seen = await look(() => api.get<{ status?: string }>(`${guestPath(condition)}/status/current`));
  if (seen.kind === 'seen') {
    if (condition.is === 'present') return condition.key === undefined || not(await taken(api, condition.vmid, condition.key));
    if (condition.is === 'absent') return condition.key === undefined ? false : taken(api, condition.vmid, condition.key);
    return seen.value.status === condition.is;
  }
  const free = await isFree(api, condition.vmid);
  if (condition.is === 'absent') return free || condition.key === undefined ? free : taken(api, condition.vmid, condition.key);
  // It exists somewhere: possibly on another node, possibly hidden. Only a free VMID makes the answer sure.
  return free || seen.kind === 'none' ? false : undefined;
}

function not(known: boolean | undefined): boolean | undefined {
  return known === undefined ? undefined : !known;
}

/** Whether the VMID belongs to another guest than the one with this key; undefined when the token cannot see whose it is. */
async function taken(api: GetApi, vmid: number, key: string): Promise<boolean | undefined> {
  const seen = await look(() => isAnother(api, vmid, key));
  return seen.kind === 'seen' ? seen.value : undefined;
}

/** GET …/config, which shows pending values merged in. */
function lookAtConfig(api: GetApi, at: GuestAt): Promise<Looked<Record<string, unknown>>> {
  return look(() => api.get(`${guestPath(at)}/config`));
}

/** The configuration; undefined when the guest is not there or may not be seen. */
export async function readConfig(api: GetApi, at: GuestAt): Promise<Record<string, unknown> | undefined> {
  const seen = await lookAtConfig(api, at);
  return seen.kind === 'seen' ? seen.value : undefined;
}

async function config(api: GetApi, condition: Of<'config'>): Promise<boolean | undefined> {
  const seen = await lookAtConfig(api, condition);
  if (seen.kind !== 'seen') return unseen(api, condition, seen.kind);
  const { has, parts = {} } = condition;
  const split = (option: string) => String(seen.value[option] ?? '').split(',');
  if (!Object.entries(parts).every(([option, wanted]) => wanted.every((part) => split(option).includes(part)))) return false;
  return Object.entries(has).every(([option, wanted]) => {
    const value = seen.value[option];
    if (value === undefined || wanted === null) return value === undefined && wanted === null;
    return option === 'tags' ? sameTags(String(value), wanted) : String(value) === wanted;
  });
}

/** Proxmox sorts tags and removes doubles. */
function sameTags(a: string, b: string): boolean {
  const [left, right] = [a, b].map((tags) => [...new Set(tags.toLowerCase().split(/[;,\s]+/))].sort().join(';'));
  return left === right;
}

/** A guest that the token may not see looks like one that does not exist; a free VMID proves that it does not. */
async function unseen(api: GetApi, { vmid }: { vmid: number }, kind: 'none' | 'hidden'): Promise<false | undefined> {
  return kind === 'none' || (await isFree(api, vmid)) ? false : undefined;
}

async function disk(api: GetApi, condition: Of<'disk'>): Promise<boolean | undefined> {
  const seen = await lookAtConfig(api, condition);
  if (seen.kind !== 'seen') return unseen(api, condition, seen.kind);
  const text = seen.value[condition.disk];
  if (typeof text !== 'string') return false;
  const { storage, atLeastGib } = condition;
  if (storage !== undefined && storageOf(text) !== storage) return false;
  // A drive may be listed without its size.
  return atLeastGib === 0 || (parseSizeGib(parseProperties(text, 'volume').size ?? '') ?? 0) >= atLeastGib;
}

/** GET /nodes/{node}/storage/{storage}/content: the time of a backup is when it began. */
async function backup(api: GetApi, condition: Of<'backup'>, since: number): Promise<boolean | undefined> {
  const { node, storage, vmid } = condition;
  const seen = await look(() =>
    api.get<{ vmid?: number | string; ctime?: number }[]>(path`/nodes/${node}/storage/${storage}/content`, { content: 'backup', vmid }),
  );
  if (seen.kind !== 'seen') return seen.kind === 'none' ? false : undefined;
  return seen.value.some((volume) => Number(volume.vmid) === vmid && Number(volume.ctime ?? 0) >= since);
}

/** A list that is not where it was tells nothing: the guest may have moved to another node. */
async function listed(api: GetApi, { path, params, row, is }: Of<'listed'>): Promise<boolean | undefined> {
  const seen = await look(() => api.get<Record<string, unknown>[]>(path, params));
  if (seen.kind !== 'seen') return undefined;
  const isThere = seen.value.some((one) => hasValues(one, row));
  return isThere === (is === 'present');
}

async function reads(api: GetApi, condition: Of<'reads'>): Promise<boolean | undefined> {
  const seen = await look(() => api.get<Record<string, unknown>>(condition.path));
  return seen.kind === 'seen' ? hasValues(seen.value, condition.has) : undefined;
}

function hasValues(object: Record<string, unknown>, wanted: Record<string, string | null>): boolean {
  return Object.entries(wanted).every(([field, value]) => (value === null ? object[field] === undefined : String(object[field]) === value));
}
