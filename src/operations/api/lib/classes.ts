import type { Effect } from '../../../core/plan/effect.ts';
import type { ApiMethod } from '../../../proxmox/contract/contract.ts';
import type { Operation } from '../../define.ts';
import { isSameOption, nameOf } from '../../stated.ts';
import { effectOf } from './effects.ts';
import { NEVER, NEVER_KEYS } from './never.ts';

/** How a method of the API is reached. */
type MethodClass = { by: 'tool'; tool: string } | { by: 'never'; reason: string } | { by: 'api'; effect: Effect };

/** Methods that set the configuration of a guest: tools know some of its keys, api_change sets the others. */
export const CONFIG: readonly string[] = [
  'POST /nodes/{node}/qemu/{vmid}/config',
  'PUT /nodes/{node}/qemu/{vmid}/config',
  'PUT /nodes/{node}/lxc/{vmid}/config',
];
/** The tool that covers a parameter of a method which no tool sends: limits and policy depend on the pool of a guest. */
export const COVERED: Readonly<Record<string, Readonly<Record<string, string>>>> = { 'PUT /pools/{poolid}': { vms: 'update_vm' } };
/** Keys that Proxmox reads as another one: its CD drive is `ide2`, and old configurations count sockets as `smp`. */
const MEANS: Readonly<Record<string, string>> = { cdrom: 'ide2', smp: 'sockets' };
/** Parameters of the request itself, not settings of the guest. */
const HOW: readonly string[] = ['node', 'vmid', 'digest', 'delete', 'revert', 'background_delay'];

/** @param tools all operations except api_search, api_read and api_change */
export function classOf({ method, path, permission, noToken }: ApiMethod, tools: readonly Operation[]): MethodClass {
  const name = `${method} ${path}`;
  const reason = NEVER.get(name);
  const tool = CONFIG.includes(name) ? undefined : toolFor(name, tools);
  // A GET method that a tool reads may be read directly too, unless it is on the list.
  if (tool && (method !== 'GET' || reason !== undefined)) return { by: 'tool', tool: tool.name };
  if (reason !== undefined) return { by: 'never', reason };
  if (noToken || permission === undefined) return { by: 'never', reason: 'Proxmox lets only root@pam call it, never an API token' };
  return { by: 'api', effect: method === 'GET' ? 'read' : effectOf(name) };
}

/** The tool that sets a key of a guest's configuration. @param key `net0` */
export function toolOfKey(key: string, tools: readonly Operation[]): string | undefined {
  if (HOW.includes(key)) return undefined;
  const meant = MEANS[key] ?? key;
  const known = tools.filter((one) => CONFIG.some((name) => paramsOf(one, name).some((param) => isSameOption(param, meant))));
  return madeLast(known)[0]?.name;
}

export function isNeverKey(key: string): boolean {
  return NEVER_KEYS.some((one) => isSameOption(one, key));
}

/** Methods that api_change never sends; of those with names only these parameters. */
export function neverSent(tools: readonly Operation[]): Record<string, readonly string[]> {
  const covered = tools.flatMap((one) => Object.keys(sendsOf(one))).filter((name) => !CONFIG.includes(name));
  const keys = tools.flatMap((one) => CONFIG.flatMap((name) => paramsOf(one, name))).filter((key) => !HOW.includes(key));
  return {
    ...Object.fromEntries([...covered, ...NEVER.keys()].map((name) => [name, []])),
    ...Object.fromEntries(Object.entries(COVERED).map(([name, params]) => [name, Object.keys(params)])),
    ...Object.fromEntries(CONFIG.map((name) => [name, [...new Set([...keys, ...Object.keys(MEANS), ...NEVER_KEYS])]])),
  };
}

function toolFor(name: string, tools: readonly Operation[]): Operation | undefined {
  return madeLast(tools.filter((one) => name in sendsOf(one) || readsOf(one).includes(name)))[0];
}

/** A method about an existing guest belongs to a tool that makes none. */
function madeLast(tools: readonly Operation[]): Operation[] {
  const makes = (one: Operation) => Number('reserves' in one && one.reserves !== undefined);
  return [...tools].sort((a, b) => makes(a) - makes(b));
}

function sendsOf(operation: Operation): Record<string, readonly string[]> {
  return 'sends' in operation ? { ...operation.sends, ...operation.maySend } : {};
}

function paramsOf(operation: Operation, name: string): string[] {
  return (sendsOf(operation)[name] ?? []).map(nameOf);
}

function readsOf({ reads = [], mayRead = [] }: Operation): string[] {
  return [...reads, ...mayRead].map((name) => name.split('?')[0] ?? '');
}
