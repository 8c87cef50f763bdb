import { defined } from '../../../core/defined.ts';
import { asError } from '../../../core/errors/errors.ts';
import type { Condition } from '../../../core/plan/plan.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { canonical, digestOf } from '../../../core/text/canonical.ts';
import { isObject, type Json, type JsonObject } from '../../../core/text/json.ts';
import type { Contract } from '../../../proxmox/contract/contract.ts';
import type { Operation } from '../../define.ts';
import { classOf } from './classes.ts';
import { type ApiRequest, namesIn, written } from './request.ts';

/** Facts that the API tells about the object that a request acts on. */
export interface Around {
  /** The object at the address of the request. */
  object?: JsonObject;
  /** Binds an approval to this object, because a name can be used again. */
  binds?: Record<string, Json>;
  /** Conditions that hold afterwards and that a read can show. */
  expected: Condition[];
  /** The call that undoes the request, or why none is known. */
  undo: string;
}

/** Objects that alone tell which guests they are about: without a look the policy could not be applied, nor an approver see it. */
const NAMES_GUESTS = /^\/cluster\/(backup\/\{id\}|ha\/rules\/\{rule\})$/;

const NO_WAY_BACK = 'not known: look up the present state first';

/** @param tools see classOf */
export async function look(request: ApiRequest, api: ProxmoxReader, contract: Contract, tools: readonly Operation[]): Promise<Around> {
  const { method, path: template } = request.api;
  const isReadable = (path: string) => {
    const found = contract.named(`GET ${path}`);
    return (
      found !== undefined &&
      classOf(found, tools).by === 'api' &&
      !Object.entries(found.parameters).some(([name, one]) => !one.optional && !path.includes(`{${name}}`))
    );
  };
  const seen = method === 'POST' || !isReadable(template) ? undefined : await readIfThere(api, request.path, NAMES_GUESTS.test(template));
  const object = isObject(seen) ? (seen as JsonObject) : undefined;
  // A node lists its networks as they are staged, which these requests apply or drop. Proxmox lists them in any order.
  const staged = template === '/nodes/{node}/network' && Array.isArray(seen) ? (seen as JsonObject[]) : undefined;
  const texts = object ? textsOf(object) : staged?.map((row) => canonical(stagedOf(row))).sort();
  const common = defined({ object, binds: texts && { [request.path]: digestOf(texts) } });
  if (method === 'PUT') return { ...common, expected: object ? afterPut(request, object) : [], undo: undoPut(request, object) };
  if (method === 'DELETE') {
    const parent = template.slice(0, template.lastIndexOf('/'));
    const expected = isReadable(parent) ? await afterDelete(request, api) : [];
    return { ...common, expected, undo: 'none: what is deleted must be made again' };
  }
  const child = contract.methods.find(
    (one) => one.method === 'DELETE' && one.path.startsWith(`${template}/{`) && !one.path.slice(template.length + 1).includes('/'),
  );
  const key = child && namesIn(child.path).at(-1);
  const value = key === undefined ? undefined : request.params[key];
  if (!child || key === undefined || typeof value !== 'string') return { ...common, expected: [], undo: NO_WAY_BACK };
  const params = written({ ...request.at, [key]: value });
  return {
    ...common,
    expected: isReadable(template) ? [listed(request.path, { [key]: value }, 'present')] : [],
    undo: `api_change {"method": "DELETE ${child.path}", "params": ${params}}`,
  };
}

/**
 * Undefined for an object that does not exist or that the token may not see.
 * @param mustSee the token has to see it
 * @throws permission_denied for one that it has to see
 */
async function readIfThere(api: ProxmoxReader, path: string, mustSee = false): Promise<Json | undefined> {
  try {
    return await api.get<Json>(path);
  } catch (thrown) {
    if (mustSee && asError(thrown).code === 'permission_denied') throw thrown;
    if (['permission_denied', 'guest_not_found', 'proxmox_refused', 'invalid_arguments'].includes(asError(thrown).code)) return undefined;
    throw thrown;
  }
}

/** Gauges such as a size or a time change by themselves. */
function textsOf(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => typeof value === 'string'));
}

/** A network of a node without what is so at the moment. Some of its settings are numbers, such as a VLAN. */
function stagedOf({ active: _active, exists: _exists, ...row }: JsonObject): JsonObject {
  return row;
}

/** Plain texts and numbers come back as they were sent; property strings and lists may come back in another order. */
function afterPut({ api, path, params }: ApiRequest, object: JsonObject): Condition[] {
  const isPlain = (name: string) => {
    const { type = 'string', format } = api.parameters[name] ?? {};
    return (type !== 'string' || format === undefined) && type !== 'array' && name !== 'digest' && (name in object || name === 'comment');
  };
  const set = Object.entries(params).flatMap(([name, value]) =>
    typeof value === 'string' && isPlain(name) ? [[name, value] as const] : [],
  );
  if (set.length === 0) return [];
  return [
    { kind: 'reads', path, has: Object.fromEntries(set), says: `${path} has ${set.map(([name, value]) => `${name} ${value}`).join(', ')}` },
  ];
}

async function afterDelete({ api, path, at }: ApiRequest, reader: ProxmoxReader): Promise<Condition[]> {
  const key = namesIn(api.path).at(-1);
  if (key === undefined || !api.path.endsWith(`{${key}}`)) return [];
  const list = path.slice(0, path.lastIndexOf('/'));
  const rows = await readIfThere(reader, list);
  const row = { [key]: at[key] ?? '' };
  const isListed = Array.isArray(rows) && rows.some((one) => isObject(one) && String(one[key]) === row[key]);
  return isListed ? [listed(list, row, 'absent')] : [];
}

function listed(path: string, row: Record<string, string>, is: 'present' | 'absent'): Condition {
  const [value = ''] = Object.values(row);
  return { kind: 'listed', path, row, is, says: `${path} has ${is === 'present' ? '' : 'no '}${value}` };
}

function undoPut({ api, at, params }: ApiRequest, object: JsonObject | undefined): string {
  if (!object) return NO_WAY_BACK;
  const names = Object.keys(params).filter((name) => !['digest', 'delete'].includes(name));
  const before = Object.fromEntries(names.flatMap((name) => (object[name] === undefined ? [] : [[name, object[name]]])));
  const unset = names.filter((name) => object[name] === undefined);
  const complete = params.delete === undefined && (unset.length === 0 || api.parameters.delete !== undefined);
  if (!complete) return NO_WAY_BACK;
  const back = { ...at, ...before, ...(unset.length > 0 ? { delete: unset.join(',') } : {}) };
  return `api_change {"method": "${api.method} ${api.path}", "params": ${written(back)}}`;
}
