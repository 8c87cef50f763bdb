import { expect } from 'vitest';
import type { Plan } from '../../../src/core/plan/plan.ts';
import type { ProxmoxReader } from '../../../src/core/proxmox.ts';
import type { ChangeOperation, Operation } from '../../../src/operations/define.ts';
import { unstated } from '../../../src/operations/stated.ts';
import { contract } from '../../../src/proxmox/contract/contract.ts';
import { SIGHT } from '../../../src/proxmox/contract/sight.ts';

const recorders = new WeakMap<ProxmoxReader, { api: ProxmoxReader; asked: Set<string> }>();

/** The same reader, with every path that it is asked for from now on. What the product remembers of a reader stays. */
function recording(api: ProxmoxReader): { api: ProxmoxReader; asked: Set<string> } {
  const known = recorders.get(api);
  known?.asked.clear();
  if (known) return known;
  const asked = new Set<string>();
  const get: ProxmoxReader['get'] = (path, ...rest) => {
    asked.add(path);
    return api.get(path, ...rest);
  };
  const made = { api: Object.assign(Object.create(api), { get }), asked };
  recorders.set(api, made);
  return made;
}

/** Fails when the operation reads by a method that it does not state. */
export async function readingAsStated<T>(operation: Operation, api: ProxmoxReader, read: (api: ProxmoxReader) => Promise<T>): Promise<T> {
  const recorder = recording(api);
  try {
    return await read(recorder.api);
  } finally {
    expect(await unstatedReads(operation, recorder.asked), `${operation.name} reads what it does not state`).toEqual([]);
  }
}

/** Fails when a plan sends what its operation does not state. */
export function sendsAsStated(operation: ChangeOperation, plan: Plan): Plan {
  expect(unstated(operation, plan), `${operation.name} sends what it does not state`).toEqual([]);
  return plan;
}

/** By their names in the contract; reads that no right restricts need not be stated. */
async function unstatedReads({ reads = [], mayRead = [] }: Operation, asked: Iterable<string>): Promise<string[]> {
  const api = await contract();
  const stated = [...reads, ...mayRead].map((name) => name.split('?')[0]);
  const names = [...asked].flatMap((path) => {
    const found = api.find('GET', path)?.api;
    if (!found) return [];
    const isFree = found.permission?.user !== undefined && !(`GET ${found.path}` in SIGHT);
    return isFree ? [] : [`GET ${found.path}`];
  });
  return [...new Set(names)].filter((name) => !stated.includes(name));
}
