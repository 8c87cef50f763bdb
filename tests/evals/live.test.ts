import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { differenceOf, type Picture, pictureOf } from '../../evals/lib/picture.ts';
import { operations } from '../../src/operations/index.ts';
import { type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { openWorld } from '../../src/simulator/world.ts';
import { binary } from '../helpers/binary.ts';
import { main } from '../live/main.ts';
import type { Step } from '../live/stage.ts';

/** The stories of `npm run test:live`, with the embedded cluster in the place of a real one. */
const folder = mkdtempSync(join(tmpdir(), 'live-test-'));
const file = join(folder, 'cluster.sqlite');
const requests: { request: string; params: Record<string, string | string[]> }[] = [];
let simulator: Simulator;
let steps: Step[];
let exit: number;
let before: Picture;
let after: Picture;

const NOTHING = { created: {}, changed: {}, gone: [], added: [], removed: [], other: [] };

function look(): Picture {
  const world = openWorld({ file, now: Date.now, timeScale: 0.01 });
  const picture = pictureOf(world);
  world.close();
  return picture;
}

const env = () => ({
  PATH: process.env.PATH,
  PROXMOX_HOST: '127.0.0.1',
  PROXMOX_PORT: String(simulator.port),
  PROXMOX_TOKEN_ID: simulator.token.id,
  PROXMOX_TOKEN_SECRET: simulator.token.secret,
  PROXMOX_FINGERPRINT: simulator.fingerprint,
});

beforeAll(async () => {
  simulator = await startSimulator({
    file,
    timeScale: 0.01,
    onRequest: ({ method, path, params }) => {
      if (method !== 'GET') requests.push({ request: `${method} ${path}`, params });
    },
  });
  before = look();
  const json = join(folder, 'steps.json');
  const args = ['--pool', 'agents', '--storage', 'nas', '--backups', 'nas', '--node', 'pve', '--json', json];
  exit = await main(dirname(dirname(binary())), args, env());
  steps = JSON.parse(readFileSync(json, 'utf8')) as Step[];
  after = look();
}, 300_000);
afterAll(async () => {
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});

it('plays all stories and ends with 0', () => {
  expect(steps.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  expect(exit).toBe(0);
});

it('leaves the cluster as it was', () => {
  expect(differenceOf(before, after)).toEqual(NOTHING);
});

it('leaves the cluster as it was also when a story breaks off, and says so by its exit code', async () => {
  simulator.faults.add({ action: 'fail-task', times: 1, match: { method: 'POST', path: '/qemu/[0-9]+/status/start$' } });
  expect(
    await main(dirname(dirname(binary())), ['--pool', 'agents', '--storage', 'nas', '--node', 'pve', '--story', 'medium'], env()),
  ).toBe(1);
  expect(differenceOf(before, look())).toEqual(NOTHING);
}, 120_000);

it('sends changes for its own guests and its own backup only', () => {
  const made = new Set(
    requests.map(({ params }) => String(params.newid ?? params.vmid ?? '')).filter((vmid) => !before.vmids.has(Number(vmid))),
  );
  const foreign = requests.filter(({ request, params }) => {
    const vmid = /\/(?:qemu|lxc)\/(\d+)/.exec(request)?.[1] ?? String(params.vmid ?? /vzdump-qemu-(\d+)/.exec(request)?.[1] ?? '');
    return !made.has(vmid);
  });
  expect(foreign.map(({ request }) => request)).toEqual([]);
  expect(made.size).toBeGreaterThan(5);
});

it('uses every tool but those that it names', () => {
  const used = new Set(steps.map(({ tool }) => tool));
  expect(operations.map(({ name }) => name).filter((tool) => !used.has(tool))).toEqual(['download_media']);
});
