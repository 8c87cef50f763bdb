import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asError } from '../../src/core/errors/errors.ts';
import { NO_POLICY } from '../../src/core/settings/policy.ts';
import type { Settings } from '../../src/core/settings/settings.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import { clusterOf } from '../../src/engine/clusters/cluster.ts';
import { perform } from '../../src/engine/perform.ts';
import type { Ports } from '../../src/engine/ports.ts';
import type { PerformOptions } from '../../src/engine/types.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { type Parts, parts } from '../helpers/parts.ts';
import { startCluster, type TestCluster } from '../helpers/simulator.ts';
import { agent } from '../helpers/world.ts';

let cluster: TestCluster;
let store: Store;
let dataDir: string;
let opened: number;
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'perform-'));
  [cluster, store] = await Promise.all([startCluster(), openStore({ dataDir })]);
  opened = 0;
});
afterEach(async () => {
  await Promise.all([cluster.close(), store.close()]);
  rmSync(dataDir, { recursive: true });
});

/** A server whose cluster has these settings. */
function server(settings: Partial<Settings> = {}) {
  const shared: Parts = parts(store, { dataDir, ...settings });
  shared.audit = { ready: async () => {}, append: async (line: JsonObject) => void shared.told.push(line) } as unknown as Parts['audit'];
  const { cluster: _none, ...ports } = shared;
  const api = cluster.open({ clock: shared.clock });
  const open = async (): Promise<Ports> => {
    opened += 1;
    return { ...ports, cluster: clusterOf(api, shared.settings) };
  };
  const call = (name: string, args: object, options: PerformOptions = {}) =>
    perform({ name, args, caller: agent, options: { wait: 'end', ...options } }, ports, open);
  return { call, told: shared.told, refused: (...given: Parameters<typeof call>) => call(...given).catch(asError) };
}

describe('a call', () => {
  it('opens its cluster once, however many parts of it need the cluster', async () => {
    const { call } = server();
    expect(await call('start_vm', { name: 'dev1' })).toMatchObject({ kind: 'done' });
    expect(opened).toBe(1);
    expect(await call('list_approvals', {})).toMatchObject({ kind: 'done', output: { total: 0 } });
    expect(opened).toBe(2);
  });

  it('opens none when it is refused before, or when it only shows the requests of a read', async () => {
    const { call, refused, told } = server();
    expect(await refused('start_wm', {})).toMatchObject({ code: 'unknown_operation' });
    expect(await refused('get_vm', { vmid: 'x' })).toMatchObject({ code: 'invalid_arguments' });
    expect(await refused('get_vm', { vmid: 105 }, { invalid: 'wait_seconds must be a number.' })).toMatchObject({
      code: 'invalid_arguments',
    });
    expect(await call('get_vm', { vmid: 105 }, { dryRun: true })).toMatchObject({ kind: 'dry_run', plan: { effect: 'read' } });
    expect(opened).toBe(0);
    expect(told.map(({ kind }) => kind)).toEqual(['refused', 'refused', 'refused', 'dry_run']);
  });

  it('keeps the limits, the defaults and the policy of its cluster', async () => {
    const limits = { maxCpu: 1, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' as const } };
    const small = server({ limits, defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm' } });
    const create = { name: 'two', cores: 2, disk_gb: 1 };
    expect(await small.refused('create_vm', create, { dryRun: true })).toMatchObject({ code: 'quota_exceeded' });
    const strict = server({ policy: { ...NO_POLICY, rules: [{ match: { operation: ['create_vm'] }, never: true }] } });
    expect(await strict.refused('create_vm', { ...create, storage: 'local-lvm' })).toMatchObject({ code: 'forbidden_by_policy' });
    const shown = await server({ defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm' } }).call('create_vm', create, {
      dryRun: true,
    });
    expect(shown).toMatchObject({ kind: 'dry_run', plan: { after: { storage: 'local-lvm' } } });
  });

  it('of a control operation is answered with its result, whatever kind that is', async () => {
    const { call } = server();
    const asked = await call('stop_vm', { vmid: 100, force: true });
    if (asked.kind !== 'approval_required') throw new Error(asked.kind);
    const { id } = asked.approval;
    expect(await call('approve', { approval_id: id }, { dryRun: true })).toMatchObject({ kind: 'dry_run', plan: { operation: 'stop_vm' } });
    expect(await call('deny', { approval_id: id }, { dryRun: true })).toMatchObject({ kind: 'dry_run', plan: { operation: 'stop_vm' } });
    expect(cluster.mutations()).toEqual([]);
    expect(await call('deny', { approval_id: id, reason: 'not now' })).toEqual({
      kind: 'done',
      output: { approval_id: id, status: 'denied', operation: 'stop_vm' },
    });
  });
});
