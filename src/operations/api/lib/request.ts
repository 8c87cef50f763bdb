import * as z from 'zod';
import { fail } from '../../../core/errors/errors.ts';
import type { SecretRef } from '../../../core/plan/plan.ts';
import { nearest } from '../../../core/text/nearest.ts';
import { hidesSomething, plainText } from '../../../core/text/text.ts';
import { declaredAs, paramProblems } from '../../../proxmox/contract/check-params.ts';
import { type ApiMethod, type Contract, contract } from '../../../proxmox/contract/contract.ts';
import { itemsOf } from '../../../proxmox/guest/property-strings.ts';
import type { Operation } from '../../define.ts';
import { filled } from '../../filled.ts';
import { setting } from '../../secret.ts';
import { CONFIG, COVERED, classOf, isNeverKey, toolOfKey } from './classes.ts';

/** The input for any method; `params` as `name=value`, since strict clients know no free-form maps. A list repeats its name. */
export const asked = {
  // One with values behind the path may hold a secret, which an error would repeat.
  method: filled(200).refine((text) => /^\w+\s+\/\S*$/.test(text.trim()), {
    message: 'must be a verb and a path, with the values in params',
  }),
  params: z.array(setting(z.string())).default([]),
};

interface Asked {
  method: string;
  params: readonly (string | SecretRef)[];
}

export type ApiRequest = Awaited<ReturnType<typeof requestFor>>;

type Verb = 'GET' | 'POST' | 'PUT' | 'DELETE';

/**
 * @param verbs the methods that the operation may send
 * @throws invalid_arguments, forbidden_by_policy
 */
export async function requestFor({ method, params }: Asked, verbs: readonly Verb[], tools: readonly Operation[]) {
  const all = await contract();
  const api = methodOf(method, all);
  const name = `${api.method} ${api.path}`;
  if (!verbs.includes(api.method as Verb))
    fail('invalid_arguments', `${name} is not ${verbs.join(', ')}.`, { hint: `Use ${api.method === 'GET' ? 'api_read' : 'api_change'}.` });
  const found = classOf(api, tools);
  if (found.by === 'tool') refuseCovered(name, found.tool);
  if (found.by === 'never')
    fail('forbidden_by_policy', `${name} is never sent, because ${found.reason}.`, {
      hint: 'Tell the user. A person can do it in the web interface of Proxmox VE.',
    });
  const values = inOneForm(valuesOf(params, api), api);
  if (CONFIG.includes(name)) checkKeys(name, values, tools);
  for (const [key, tool] of Object.entries(COVERED[name] ?? {})) if (key in values) refuseCovered(`${key} of ${name}`, tool);
  const problems = paramProblems(api, values, all);
  if (problems.length > 0)
    fail('invalid_arguments', `${name} cannot be sent. ${problems.map((one) => `${one[0]?.toUpperCase()}${one.slice(1)}.`).join(' ')}`, {
      hint: `Look at its parameters with api_search {"query": "${name}"}.`,
      details: { problems },
    });
  const at: Record<string, string> = Object.fromEntries(namesIn(api.path).map((key) => [key, String(values[key])]));
  return {
    api,
    /** Verb and template: `PUT /pools/{poolid}`. */
    name,
    effect: found.effect,
    /** Below /api2/json: made from the template, each value checked and encoded. */
    path: api.path.replaceAll(/\{([^}]+)\}/g, (_, key: string) => segment(key, at[key] ?? '')),
    /** The values in the path, and all others. */
    at,
    params: Object.fromEntries(Object.entries(values).filter(([key]) => !(key in at))),
  };
}

/** The parameters of a GET request. */
export function queryOf({ params }: ApiRequest): Record<string, string> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
}

export function namesIn(path: string): string[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map(([, key = '']) => key);
}

function methodOf(name: string, all: Contract): ApiMethod {
  const words = name.trim().replace(/\s+/, ' ');
  const method = all.named(words);
  if (method) return method;
  const names = all.methods.map((one) => `${one.method} ${one.path}`);
  const [like = 'PUT /pools/{poolid}'] = nearest(words, names);
  return fail('invalid_arguments', `Proxmox VE 9.2 has no method "${words.slice(0, 100)}".`, {
    hint: `Give it as api_search writes it, with {names} in its path: "${like}". The values go into params.`,
  });
}

function refuseCovered(what: string, tool: string): never {
  fail('forbidden_by_policy', `${tool} covers ${what}.`, { hint: `Call ${tool}. It plans, checks limits and names what is lost.` });
}

/** Refuses keys that a tool sets, because the tool counts them against the limits and shows what is lost. @throws forbidden_by_policy */
function checkKeys(name: string, values: Record<string, string | string[]>, tools: readonly Operation[]): void {
  const removed = [values.delete, values.revert].flatMap((list) => itemsOf(String(list ?? '')));
  for (const key of [...Object.keys(values), ...removed]) {
    const tool = toolOfKey(key, tools);
    if (tool !== undefined) refuseCovered(`${key} of ${name}`, tool);
    if (isNeverKey(key)) fail('forbidden_by_policy', `${key} of ${name} is never sent.`, { hint: 'Tell the user.' });
  }
}

/** Values as Proxmox reads them. An empty text is refused, because only `delete` clears a setting. */
function valuesOf(params: Asked['params'], { parameters }: ApiMethod): Record<string, string | string[]> {
  const values: Record<string, string[]> = {};
  for (const [index, one] of params.entries()) {
    if (typeof one !== 'string')
      fail('forbidden_by_policy', `params[${index}] looks like a secret, which api_read and api_change do not take.`, {
        hint: 'If it is not one, reword it: a word such as "token" before ":" or "=" counts as the name of a secret.',
      });
    const [, key = '', value = ''] = /^([^=\s]+)=(.*)$/s.exec(one) ?? [];
    if (value === '')
      fail('invalid_arguments', `params holds "${one.slice(0, 60)}", which is not name=value.`, {
        hint: 'Write each as "comment=web servers".',
      });
    // A list in one text may be separated by NUL: an approver would not see where, and the checks not what.
    if (hidesSomething(one.replace(/[\r\n\t]/g, '')))
      fail('invalid_arguments', `${plainText(key, 60)} has characters that do not show.`, {
        hint: 'Leave them out. A list repeats its name.',
      });
    const { type } = declaredAs(parameters, key) ?? {};
    const truth = { true: '1', false: '0' }[value] ?? value;
    values[key] = [...(values[key] ?? []), type === 'boolean' ? truth : value];
  }
  return Object.fromEntries(Object.entries(values).map(([key, all]) => [key, all.length === 1 ? (all[0] ?? '') : all]));
}

/** Proxmox adds the storage to a volume without one and reads `vms//105/` as `/vms/105`. The checks and an approver see one form alone. */
function inOneForm(values: ReturnType<typeof valuesOf>, { path: template }: ApiMethod): ReturnType<typeof valuesOf> {
  const { storage, volume, path } = values;
  if (typeof volume === 'string' && template.endsWith('/{storage}/content/{volume}') && !volume.includes(':'))
    return { ...values, volume: `${storage}:${volume}` };
  if (typeof path !== 'string' || template !== '/access/acl') return values;
  return { ...values, path: `/${path.trim().split('/').filter(Boolean).join('/')}` };
}

/** `["poolid=lab"]`, for texts that contain the next call. */
export function written(values: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(values).flatMap(([key, value]) => [value].flat().map((one) => `${key}=${one}`)));
}

/** Values in which Proxmox expects slashes. */
const WITH_SLASHES = ['volume', 'cidr'];

/** Proxmox decodes the whole path before it splits it, so an encoded slash or dot segment would lead elsewhere. */
function segment(key: string, value: string): string {
  const parts = WITH_SLASHES.includes(key) ? value.split('/') : [value];
  const bad = parts.some((part) => part === '' || /^\.+$/.test(part) || /[/\\%?#\p{C}]/u.test(part)) || value.length > 512;
  if (bad) fail('invalid_arguments', `${key} ${JSON.stringify(value.slice(0, 80))} cannot be part of a path.`);
  return encodeURIComponent(value);
}
