import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { tidy } from '../../../src/engine/limits/reservations.ts';
import type { Ports } from '../../../src/engine/ports.ts';
import { thisWorker } from '../../../src/engine/runs/worker.ts';
import { openStore, type Store } from '../../../src/store/index.ts';

const worker = thisWorker();
let folder: string;
let store: Store;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reservations-'));
  store = await openStore({ dataDir: folder });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

/** The ports of the process that made the reservation and no longer holds it in memory: it gave it back, or a run took it over. */
const ports = () =>
  ({ store: async () => store, worker, clock: systemClock, inFlight: { reservations: new Set(), has: () => true } }) as unknown as Ports;

async function reserved() {
  const now = new Date().toISOString();
  const leaseUntil = new Date(Date.now() + 60_000).toISOString();
  await store.reservations.reserve({ id: 'rsv', cluster: 'c', name: 'web', newGuest: true, worker, leaseUntil, now }, () => 900);
  return store.reservations.all('c');
}

it('a reservation that a run took over after the rows were read still counts', async () => {
  const rows = await reserved();
  await store.reservations.setRun('rsv', 'run');
  expect((await tidy(rows, [], ports())).map(({ id }) => id)).toEqual(['rsv']);
  expect(await store.reservations.get('rsv')).toMatchObject({ runId: 'run' });
});

it('one that this process no longer holds, and no run has, is given back', async () => {
  const rows = await reserved();
  expect(await tidy(rows, [], ports())).toEqual([]);
  expect(await store.reservations.get('rsv')).toBeUndefined();
});
