import { afterEach, expect, it } from 'vitest';
import { quotaChecks } from '../../../src/cli/doctor/cluster.ts';
import { clusterView } from '../../../src/console/cluster.ts';
import { type Reader, readersOf } from '../../../src/console/read.ts';
import type { LimitSettings } from '../../../src/core/settings/settings.ts';
import { takeInventoryWithoutStore } from '../../../src/engine/limits/quotas.ts';
import { thisWorker } from '../../../src/engine/runs/worker.ts';
import type { Session } from '../../../src/engine/session.ts';
import { createGauges } from '../../../src/http/gauges.ts';
import { openStore } from '../../../src/store/index.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const limits: LimitSettings = { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } };

/** A guest of 4 vCPUs, 2048 MiB and 10 GiB that another call is about to make. */
async function inFlight(): Promise<void> {
  const { reservations, close } = await openStore({ dataDir: world.dataDir });
  const now = new Date().toISOString();
  const leaseUntil = new Date(Date.now() + 3_600_000).toISOString();
  const wish = { id: 'rsv_1', cluster: 'simulator', name: 'coming', newGuest: true, worker: thisWorker(), leaseUntil, now };
  await reservations.reserve(wish, () => 950);
  await reservations.setDemand('rsv_1', { node: 'pve', type: 'qemu', cpu: 4, memoryMib: 2048, diskGib: 10, space: {} });
  await close();
}

it('guard, metrics, console and doctor count alike, work in flight included', async () => {
  world = await openWorld();
  const total = (await world.engine.quotas()).quotas[0]?.used ?? 0;
  expect(total).toBeGreaterThan(0);
  await inFlight();
  const strict = { ...limits, maxVms: total + 1, maxTotalRamMib: 1_000_000, maxTotalDiskGib: 1_000_000 };
  const engine = world.another({ limits: strict });

  const counted = await engine.quotas();
  expect(counted.quotas.map(({ size, limit, reserved }) => [size, limit, reserved])).toEqual([
    ['guests', total + 1, 1],
    ['cpu', undefined, 4],
    ['memoryMib', 1_000_000, 2048],
    ['diskGib', 1_000_000, 10],
  ]);
  expect(counted.quotas[0]).toMatchObject({ used: total, left: 0, variable: 'PROXMOX_MAX_VMS' });

  const refused = await world.refused(engine.perform('create_vm', { name: 'more', disk_gb: 1 }, agent, { wait: 'end' }));
  expect(refused).toMatchObject({ code: 'quota_exceeded', message: expect.stringContaining(`guests ${total + 1} + 1 > ${total + 1}`) });
  const gauges = await createGauges({ engine } as Session)();
  expect(gauges).toContainEqual({ name: 'proxmox_mcp_quota_used', labels: { resource: 'guests' }, value: total + 1 });
  const { quotas = [] } = await clusterView(engine, readersOf(engine, agent)[0] as Reader, strict);
  expect(quotas.map(({ label, used }) => [label, used])).toEqual(
    counted.quotas.map(({ size, used = 0, reserved = 0 }) => [
      { guests: 'Guests', cpu: 'vCPUs', memoryMib: 'Memory', diskGib: 'Disk' }[size],
      Math.round((used + reserved) * 100) / 100,
    ]),
  );
  expect(quotaChecks(counted)[0]).toMatchObject({
    state: 'warn',
    text: `${total + 1} guests exist (1 of them by work in flight), limit ${total + 1}: nothing can be created`,
  });
});

it('a total of disk that is not limited is not counted, and not called 0', async () => {
  world = await openWorld();
  const disk = (await world.engine.quotas()).quotas.find(({ size }) => size === 'diskGib');
  expect(disk).toEqual({ size: 'diskGib', variable: 'PROXMOX_MAX_TOTAL_DISK_GB' });
  const { quotas = [] } = await clusterView(world.engine, readersOf(world.engine, agent)[0] as Reader, limits);
  expect(quotas.map(({ label }) => label)).toEqual(['Guests', 'vCPUs', 'Memory']);
});

it('without a store only existing guests count', async () => {
  world = await openWorld();
  const inventory = await takeInventoryWithoutStore({ api: await world.cluster.open(), limits });
  expect(inventory.guests.length).toBeGreaterThan(0);
  expect(inventory.reserved).toEqual([]);
});
