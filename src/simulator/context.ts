import { demand, type Who } from './access/permissions.ts';
import type { Method, Params } from './contract.ts';
import { type ApiError, invalid, LockBusy, refuse } from './errors.ts';
import type { Fault } from './faults.ts';
import type { Guest, Task } from './model.ts';
import { type Kinds, lockHolder, type NewTask, startTask } from './tasks.ts';
import type { World } from './world.ts';

/** The input of a handler: one checked request of one caller. */
export interface Context {
  world: World;
  who: Who;
  method: Method;
  /** Path, query and body together, checked against the contract. */
  params: Params;
  /** Epoch ms. */
  at: number;
  kinds: Kinds;
  /** Fault that strikes this request's task. */
  fault: Fault | undefined;
  /** Leaf and authority the server shows, PEM, and the SHA-256 of the leaf. */
  certificates: { ca: string; cert: string; fingerprint: string };
}

export type Handler = (context: Context) => unknown;

/** `GET /nodes/{node}/qemu` → handler. */
export type Routes = Record<string, Handler>;

/** An answer that carries more than `data`: the total of a task list, the pending changes of a node's networks. */
export class Wider {
  readonly data: unknown;
  readonly beside: Record<string, unknown>;

  constructor(data: unknown, beside: Record<string, unknown>) {
    this.data = data;
    this.beside = beside;
  }
}

/** A refusal that undoes nothing: what the handler has changed stays changed. */
export class Kept {
  readonly error: ApiError;

  constructor(error: ApiError) {
    this.error = error;
  }
}

export function text(context: Context, name: string): string | undefined {
  const value = context.params[name];
  return typeof value === 'string' ? value : value?.[0];
}

export function needed(context: Context, name: string): string {
  return text(context, name) ?? invalid({ [name]: 'property is missing and it is not optional' });
}

export function integer(context: Context, name: string): number | undefined {
  const value = text(context, name);
  return value === undefined ? undefined : Number(value);
}

export const flag = (context: Context, name: string): boolean => text(context, name) === '1';

export const vmidOf = (context: Context): number => Number(needed(context, 'vmid'));

export const nodeOf = (context: Context): string => needed(context, 'node');

export const confDir = (type: Guest['type']): string => (type === 'qemu' ? 'qemu-server' : 'lxc');

export function missingConfig(node: string, type: Guest['type'], vmid: number): string {
  return `Configuration file 'nodes/${node}/${confDir(type)}/${vmid}.conf' does not exist`;
}

/** The guest of the path, on the node of the path; a guest elsewhere is as missing as none at all. */
export function findGuest(context: Context, type: Guest['type'] = 'qemu'): Guest | undefined {
  const guest = context.world.guest(vmidOf(context));
  return guest?.type === type && guest.node === nodeOf(context) ? guest : undefined;
}

export function guestOf(context: Context, type: Guest['type'] = 'qemu'): Guest {
  return findGuest(context, type) ?? refuse(missingConfig(nodeOf(context), type, vmidOf(context)));
}

/** A copy to change and save. */
export const edit = (guest: Guest): Guest => structuredClone(guest);

export function refuseLocked(guest: Guest): void {
  if (guest.config.lock) refuse(`${guest.type === 'qemu' ? 'VM' : 'CT'} is locked (${guest.config.lock})`);
}

/** Synchronous changes wait for the guest's lock file. */
export function takeLock(context: Context, vmid: number): void {
  if (lockHolder(context.world, vmid)) throw new LockBusy(vmid);
}

/** Starts a task of the caller on the node of the path and answers with its UPID. */
export function task(context: Context, wanted: Omit<NewTask, 'owner' | 'node'> & { node?: string }): string {
  return startedTask(context, wanted).upid;
}

export function startedTask(context: Context, wanted: Omit<NewTask, 'owner' | 'node'> & { node?: string }): Task {
  const { fault } = context;
  return startTask(
    context.world,
    context.kinds,
    {
      node: wanted.node ?? nodeOf(context),
      owner: context.who.token,
      failWith: fault?.action === 'fail-task' ? (fault.exitstatus ?? 'injected failure') : undefined,
      slower:
        fault?.action === 'slow-task' && fault.ms !== undefined
          ? fault.ms / Math.max(context.world.scaled(1), Number.MIN_VALUE)
          : undefined,
      ...wanted,
    },
    context.at,
  );
}

/** The zone of a bridge: that of its virtual network, or the nodes' own. */
export function zoneOfBridge(world: World, bridge: string): string {
  const vnet = world.get('sdn', `vnet/${bridge}`);
  return String((vnet?.running ?? vnet?.wanted)?.zone ?? 'localnetwork');
}

/** Where the right to use the bridge of each network device is asked for: a tagged one at its VLAN. */
export function bridgePaths(world: World, values: string[]): string[] {
  return values.flatMap((value) => {
    const bridge = /(?:^|,)bridge=([^,]+)/.exec(value)?.[1];
    const tag = /(?:^|,)tag=(\d+)/.exec(value)?.[1];
    return bridge === undefined ? [] : [`/sdn/zones/${zoneOfBridge(world, bridge)}/${bridge}${tag === undefined ? '' : `/${tag}`}`];
  });
}

export function requireBridges(context: Context, values: string[]): void {
  for (const path of bridgePaths(context.world, values)) demand(context.world, context.who, path, ['SDN.Use']);
}

export const seconds = (ms: number): number => Math.floor(ms / 1000);
