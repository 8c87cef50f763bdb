import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { Ports } from '../../../src/engine/ports.ts';
import { prune } from '../../../src/engine/runs/retention.ts';
import { openStore } from '../../../src/store/index.ts';
import { openWorld, type World } from '../../helpers/world.ts';

let world: World;
const folder = mkdtempSync(join(tmpdir(), 'retention-'));
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

it('forgets the names of guests that are gone or whose VMID another guest has, and keeps those of living ones', async () => {
  world = await openWorld();
  const store = await openStore({ dataDir: folder });
  const api = world.cluster.open();
  const OLD = '2020-01-01T00:00:00.000Z';
  const living = await api.get<{ key: string; value: string }[]>('/nodes/pve/qemu/100/pending');
  const uuid = /uuid=([0-9a-f-]+)/.exec(living.find(({ key }) => key === 'smbios1')?.value ?? '')?.[1] ?? '';
  await store.guests.sawName(api.cluster, { key: uuid, name: 'web1', vmid: 100 }, OLD);
  await store.guests.sawName(api.cluster, { key: 'another', name: 'before', vmid: 100 }, OLD);
  await store.guests.sawName(api.cluster, { key: 'gone', name: 'temp', vmid: 4711 }, OLD);
  const ports = {
    settings: { retentionDays: 90 },
    clock: { now: () => Date.now() },
    cluster: { api, name: api.cluster },
    log: { info() {}, warn() {} },
  } as unknown as Ports;
  expect(await prune(store, ports, '')).toBe(true);
  const names = (key: string) => store.guests.names(api.cluster, key);
  expect(await Promise.all([uuid, 'another', 'gone'].map(names))).toEqual([['web1'], [], []]);
  expect(await prune(store, ports, '')).toBe(false);
  await store.close();
});
