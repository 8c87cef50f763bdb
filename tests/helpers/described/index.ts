import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { asError, type ProxmoxMcpError } from '../../../src/core/errors.ts';
import type { Plan, RequestStep } from '../../../src/core/plan.ts';
import type { LimitSettings, Settings } from '../../../src/core/settings.ts';
import type { OperationContext } from '../../../src/operations/define.ts';
import { findOperation } from '../../../src/operations/index.ts';
import { startSimulator } from '../../../src/simulator/index.ts';
import { connectionTo, openClient } from '../../proxmox/server.ts';
import { invalidRequests } from '../simulator.ts';
import { NOW, oddAnswers, replaceGuests, seedDescribed } from './seed.ts';
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

const closing: (() => Promise<void>)[] = [];
const sent: Parameters<typeof invalidRequests>[0][number][] = [];

/** After each test its clusters are closed, and what they were asked is held against the contract of Proxmox VE 9.2. */
export function useWorlds(): void {
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()));
    expect(invalidRequests(sent.splice(0))).toEqual([]);
  });
}

export interface Opened {
  ctx: OperationContext;
  /** GET requests so far, without the version: path and query. */
  requests(): string[];
  /** From now on these guests are there. */
  become(guests: GuestSpec[]): void;
}

/** The simulator as the test describes it, read through the real adapter. Its time stands still. */
export async function openWorld(world: World, context: Partial<OperationContext> = {}, settings: Partial<Settings> = {}): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'described-'));
  const file = join(folder, 'state.db');
  seedDescribed(file, world);
  const asked: string[] = [];
  const simulator = await startSimulator({
    file,
    now: () => NOW,
    onRequest: ({ method, path, params }) => {
      sent.push({ method, path, params });
      const query = new URLSearchParams(params as Record<string, string>).toString();
      if (path !== '/version') asked.push(query ? `${path}?${query}` : path);
    },
  });
  simulator.faults.add(...oddAnswers(world));
  const connection = connectionTo([{ port: simulator.port }], {
    fingerprints: [simulator.fingerprint],
    tokenId: simulator.token.id,
    tokenSecret: simulator.token.secret,
  });
  const api = openClient(connection);
  closing.push(async () => {
    await api.close();
    await simulator.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const { defaults = { node: 'pve', nodeIsExplicit: false }, limits = UNLIMITED } = settings;
  return {
    requests: () => [...asked],
    become: (guests) => replaceGuests(file, guests),
    ctx: {
      api,
      defaults,
      limits,
      tokenId: connection.tokenId,
      reservedVmid: 120,
      fresh: [],
      reservedGib: () => 0,
      createdHere: async () => true,
      overTotals: async () => [],
      quotas: async () => ({ scope: { kind: 'visible' }, quotas: [] }),
      madeBy: async () => undefined,
      ...context,
    },
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
  const { ctx } = await openWorld(world, context, settings);
  return planIn(ctx, operation, args);
}

export async function planIn(ctx: OperationContext, operation: string, args: object): Promise<Plan> {
  const found = findOperation(operation);
  if (!found || !('plan' in found)) throw new Error(`${operation} has no plan`);
  const plan = await readingAsStated(found, ctx.api, (api) => found.plan({ ...ctx, api }, found.input.parse(args)));
  return sendsAsStated(found, plan);
}

/** The answer of a reading operation. */
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
export async function readIn(ctx: OperationContext, operation: string, args: object): Promise<any> {
  const found = findOperation(operation);
  if (found?.effect !== 'read') throw new Error(`${operation} does not read`);
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

export function requestsOf(plan: Plan): RequestStep[] {
  return plan.steps.filter((s): s is RequestStep => s.kind === 'request');
}

/** `POST /nodes/pve/qemu/105/status/stop`, … */
export function linesOf(plan: Plan): string[] {
  return requestsOf(plan).map((s) => `${s.method} ${s.path}`);
}
