import { afterAll, afterEach, expect } from 'vitest';
import { asError, type ProxmoxMcpError } from '../../../src/core/errors/errors.ts';
import { requestsOf } from '../../../src/core/plan/parts.ts';
import { type Plan, planFrom } from '../../../src/core/plan/plan.ts';
import type { ProxmoxReader } from '../../../src/core/proxmox.ts';
import type { LimitSettings, Settings } from '../../../src/core/settings/settings.ts';
import type { OperationContext } from '../../../src/operations/define.ts';
import type { ProxmoxClient } from '../../../src/proxmox/client.ts';
import { startSimulator } from '../../../src/simulator/index.ts';
import { connectionTo, openClient } from '../../proxmox/server.ts';
import { changeOperation, readOperation } from '../operations.ts';
import { invalidRequests } from '../simulator.ts';
import { NOW, oddAnswers, replaceGuests, seedDescribed, TOKEN } from './seed.ts';
import type { GuestSpec, World } from './spec.ts';
import { readingAsStated, sendsAsStated } from './stated.ts';

export { container, type GuestSpec, type StorageSpec, template, type World, webServer } from './spec.ts';

export const UNLIMITED: LimitSettings = {
  maxCpu: 8192,
  maxRamMib: 2 ** 24,
  maxDiskGib: 2 ** 17,
  maxVms: 1000,
  scope: { kind: 'visible' },
};

interface Place {
  api: ProxmoxClient;
  become(guests: GuestSpec[]): void;
  asked: string[];
  close(): Promise<void>;
}

/** Of the present test, and of the present file. */
const own: Place[] = [];
const shared = new Map<string, Promise<Place>>();
const sent: Parameters<typeof invalidRequests>[0][number][] = [];

/** Closes the clusters after their test or file, and holds what they were asked against the contract of Proxmox VE 9.2. */
export function useWorlds(): void {
  afterEach(async () => {
    await Promise.all(own.splice(0).map((place) => place.close()));
    expect(invalidRequests(sent.splice(0))).toEqual([]);
  });
  afterAll(async () => {
    const places = [...shared.values()];
    shared.clear();
    for (const place of places) await (await place).close();
  });
}

interface Opened {
  ctx: OperationContext;
  /** GET requests so far, without the version: path and query. */
  requests(): string[];
  /** From now on these guests are there. */
  become(guests: GuestSpec[]): void;
}

/** The simulator as the test describes it, read through the real adapter. Its time stands still. */
export async function openWorld(world: World, context: Partial<OperationContext> = {}, settings: Partial<Settings> = {}): Promise<Opened> {
  const place = await openPlace(world);
  own.push(place);
  return {
    ctx: contextOn(place.api, context, settings),
    requests: () => [...place.asked],
    become: place.become,
  };
}

/** The same, shared by the tests of a file that describe an equal cluster: nothing that plans or reads changes it. */
export async function contextOf(world: World, context: Partial<OperationContext> = {}, settings: Partial<Settings> = {}) {
  const key = JSON.stringify(world);
  const place = shared.get(key) ?? openPlace(world);
  shared.set(key, place);
  return contextOn((await place).api, context, settings);
}

async function openPlace(world: World): Promise<Place> {
  let become: Place['become'] = () => {};
  const asked: string[] = [];
  const simulator = await startSimulator({
    file: ':memory:',
    now: () => NOW,
    seed: (state) => {
      seedDescribed(state, world);
      become = (guests) => replaceGuests(state, guests);
    },
    onRequest: ({ method, path, params }) => {
      sent.push({ method, path, params });
      const query = new URLSearchParams(params as Record<string, string>).toString();
      if (path !== '/version') asked.push(query ? `${path}?${query}` : path);
    },
  });
  simulator.faults.add(...oddAnswers(world));
  const { id: tokenId, secret: tokenSecret } = simulator.token;
  const api = openClient(connectionTo([{ port: simulator.port }], { fingerprints: [simulator.fingerprint], tokenId, tokenSecret }));
  return {
    api,
    become,
    asked,
    async close() {
      await api.close();
      await simulator.close();
    },
  };
}

/** A context in which nothing is remembered, reserved or in flight. */
export function contextOn(api: ProxmoxReader, context: Partial<OperationContext>, settings: Partial<Settings> = {}): OperationContext {
  const { defaults = { node: 'pve', nodeIsExplicit: false }, limits = UNLIMITED } = settings;
  return {
    api,
    defaults,
    limits,
    endpoints: [],
    tokenId: TOKEN.id,
    reservedVmid: 120,
    fresh: [],
    reservedGib: () => 0,
    createdHere: async () => true,
    overTotals: async () => [],
    quotas: async () => ({ scope: { kind: 'visible' }, quotas: [] }),
    changesOf: async () => [],
    madeBy: async () => undefined,
    ...context,
  };
}

/** Plans like the engine does: arguments through the schema first. */
export async function planOf(
  operation: string,
  args: object,
  world: World,
  context: Partial<OperationContext> = {},
  settings: Partial<Settings> = {},
): Promise<Plan> {
  return planIn(await contextOf(world, context, settings), operation, args);
}

export async function planIn(ctx: OperationContext, operation: string, args: object): Promise<Plan> {
  const found = changeOperation(operation);
  const draft = await readingAsStated(found, ctx.api, (api) => found.plan({ ...ctx, api }, found.input.parse(args)));
  return sendsAsStated(found, planFrom(draft, found));
}

/** The answer of a reading operation. */
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
export async function readIn(ctx: OperationContext, operation: string, args: object): Promise<any> {
  const found = readOperation(operation);
  return found.output.parse(await readingAsStated(found, ctx.api, (api) => found.read({ ...ctx, api }, found.input.parse(args))));
}

export async function refusalOf(plan: Promise<unknown>): Promise<ProxmoxMcpError> {
  try {
    await plan;
  } catch (thrown) {
    return asError(thrown);
  }
  throw new Error('it was not refused');
}

export { requestsOf };

/** `POST /nodes/pve/qemu/105/status/stop`, … */
export function linesOf(plan: Plan): string[] {
  return requestsOf(plan).map((s) => `${s.method} ${s.path}`);
}
