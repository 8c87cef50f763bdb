import type { GuestType } from '../../core/guest.ts';
import type { RequestStep } from '../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { path as apiPath } from '../guest/encode.ts';
import { type Options, optionsInFile, optionsOf } from '../guest/property-strings.ts';
import { contract } from './contract.ts';
import type { Known } from './guest-rules.ts';
import { type Need, need } from './need.ts';
import { needFor, textual } from './permissions.ts';

/** A guest that an earlier request of the plan makes. */
interface Made {
  pool?: string;
  options: Options;
}
type Request = Pick<RequestStep, 'method' | 'path' | 'params'>;

const GUEST = /^\/nodes\/([^/]+)\/(qemu|lxc)(?:\/(\d+)(\/.*)?)?$/;

/**
 * The rights that the requests of a plan need, in their order. A guest that one of them creates has rights from its pool as well, and its volumes
 * are on the storage that the request names.
 * @returns the need, and the VMIDs of the guests that are created
 */
export async function needsOf(requests: readonly Request[], api: ProxmoxReader): Promise<{ need: Need; made: ReadonlySet<string> }> {
  const [methods, { major }] = await Promise.all([contract(), api.version()]);
  const made = new Map<string, Made>();
  const read = new Map<string, Promise<Options>>();
  const once = (path: string, load: () => Promise<Options>) => {
    const found = read.get(path) ?? load().catch(() => ({}));
    read.set(path, found);
    return found;
  };
  const all: Need[] = [];
  for (const request of requests) {
    const [, node = ''] = GUEST.exec(request.path) ?? [];
    const known: Known = {
      major,
      config: async (type, vmid) => made.get(vmid)?.options ?? once(`${type}/${vmid}`, () => configOf(api, node, type, vmid)),
      backup: (on, volid) => once(volid, () => backedUp(api, on, volid)),
    };
    const makes = await madeBy(request, known, made);
    if (makes) made.set(makes.vmid, makes);
    all.push(inPool(await needFor(request, methods, known), made));
    follow(request, made);
  }
  // Without VM.Audit no answer would tell how the guest ends.
  const seen = [...made.keys()].map((vmid) => inPool(need(`/vms/${vmid}`, 'VM.Audit'), made));
  return { need: { all: [...all, ...seen] }, made: new Set(made.keys()) };
}

async function configOf(api: ProxmoxReader, node: string, type: GuestType, vmid: string): Promise<Options> {
  return optionsOf(Object.entries(await api.get<Record<string, unknown>>(apiPath`/nodes/${node}/${type}/${vmid}/config`)));
}

async function backedUp(api: ProxmoxReader, node: string, volume: string): Promise<Options> {
  return optionsInFile(await api.get<string>(apiPath`/nodes/${node}/vzdump/extractconfig`, { volume }));
}

/** Not a guest that a backup goes over: that one has rights of its own. */
async function madeBy(request: Request, known: Known, made: ReadonlyMap<string, Made>): Promise<(Made & { vmid: string }) | undefined> {
  const [, node = '', type, source, tail] = GUEST.exec(request.path) ?? [];
  if (request.method !== 'POST' || type === undefined) return undefined;
  const params = textual(request.params);
  const pool = params.pool === undefined ? {} : { pool: params.pool };
  if (source === undefined) {
    const { vmid, archive, storage } = params;
    if (vmid === undefined || params.force !== undefined || made.has(vmid)) return undefined;
    const options = archive === undefined ? params : { ...moved(await known.backup(node, archive), storage), ...params };
    return { vmid, ...pool, options };
  }
  if (tail !== '/clone' || params.newid === undefined) return undefined;
  return { vmid: params.newid, ...pool, options: moved(await known.config(type as GuestType, source), params.storage) };
}

/** The volumes of a guest that is created go to another storage with it, or one by one. */
function follow({ method, path, params }: Request, made: Map<string, Made>): void {
  const [, , , vmid = '', tail] = GUEST.exec(path) ?? [];
  const guest = made.get(vmid);
  if (!guest || method !== 'POST') return;
  const { targetstorage, storage, disk } = textual(params);
  if (tail === '/migrate') made.set(vmid, { ...guest, options: moved(guest.options, targetstorage) });
  if (tail === '/move_disk' && disk !== undefined)
    made.set(vmid, { ...guest, options: { ...guest.options, ...moved({ [disk]: guest.options[disk] ?? '' }, storage) } });
}

function moved(options: Options, storage: string | undefined): Options {
  if (storage === undefined) return options;
  return Object.fromEntries(
    Object.entries(options).map(([key, text]) => [
      key,
      /^(\D+\d+|rootfs)$/.test(key) ? text.replace(/^[\w.-]+:(?=\S)/, `${storage}:`) : text,
    ]),
  );
}

/** Rights on a guest that is created: those on its VMID, or those on the pool that it joins. */
function inPool(one: Need, made: ReadonlyMap<string, Made>): Need {
  if ('all' in one) return { all: one.all.map((part) => inPool(part, made)) };
  if ('any' in one) return { any: one.any.map((part) => inPool(part, made)) };
  const pool = made.get(/^\/vms\/(\d+)$/.exec(one.path)?.[1] ?? '')?.pool;
  return pool === undefined ? one : { any: [one, need(`/pool/${pool}`, ...one.anyOf)] };
}
