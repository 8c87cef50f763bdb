import type { AddressInfo } from 'node:net';
import { certificatesOf } from './data.ts';
import { createFaults, type Fault, type FaultControl, type FaultDesk } from './faults.ts';
import { mainToken, type Seed, seed } from './seed/seed.ts';
import { createHttps } from './server.ts';
import { openWorld, type World } from './world.ts';

export { validateRequest } from './contract.ts';
export type { Fault, FaultControl, RecordedRequest } from './faults.ts';
export { SEED_TOKENS } from './seed/tokens.ts';

export interface SimulatorOptions {
  /** SQLite state file, created and seeded when missing; `:memory:` keeps nothing. Several processes may share one. */
  file: string;
  /** Default 0: any free port. Always on 127.0.0.1. */
  port?: number;
  /** Used only when the file is new. Default `demo`. */
  seed?: Seed;
  /** Pace of tasks, delays and the status daemon; 0.01 turns ten seconds into a tenth of one. Default 1. */
  timeScale?: number;
  /** Epoch ms; for tests. */
  now?: () => number;
  /** `second` shows a certificate of another authority, as after a reinstallation. */
  certificate?: 'demo' | 'second';
  /** Called with every API request, in order. */
  onRequest?: (request: { method: string; path: string; params: Record<string, string | string[]>; token: string | undefined }) => void;
}

export interface Simulator {
  /** https://127.0.0.1:PORT */
  url: string;
  port: number;
  /** PEM of the authority that signed its certificate. */
  ca: string;
  /** SHA-256 of the certificate, `AA:BB:…`. */
  fingerprint: string;
  /** Token with every right. */
  token: { id: string; secret: string };
  faults: FaultControl;
  close(): Promise<void>;
}

/**
 * Starts an embedded Proxmox VE 9.2: a real HTTPS server with its API below /api2/json.
 * Other processes inject faults through POST /simulator/faults and read what was asked from GET /simulator/requests.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const world = openWorld({ file: options.file, now: options.now ?? Date.now, timeScale: options.timeScale ?? 1 });
  seed(world, options.seed ?? 'demo');
  const certificates = certificatesOf(options.certificate ?? 'demo');
  const faults = withWorldFaults(createFaults(), world);
  const server = createHttps({
    world,
    faults,
    certificates,
    sleep: sleeper(world, options.now !== undefined),
    onRequest: options.onRequest,
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    ca: certificates.ca,
    fingerprint: certificates.fingerprint,
    token: mainToken(world),
    faults,
    close: () =>
      new Promise((resolve) => {
        faults.release();
        server.close(() => {
          world.close();
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** Waits by the simulation's clock; an injected one is looked at again and again. */
function sleeper(world: World, injected: boolean): (ms: number) => Promise<void> {
  return async (ms) => {
    const until = world.now() + world.scaled(ms);
    for (let left = until - world.now(); left > 0; left = until - world.now()) {
      await new Promise((resolve) => setTimeout(resolve, injected ? 2 : Math.min(left, 2_000_000)));
    }
  };
}

/** Until then the cluster still shows what a status daemon last said, ms. */
const LONG_SILENCE = 600_000;

/** Faults of the cluster and not of one request: the nodes' habit `quick-restart`, silent status daemons, and locks. */
function withWorldFaults(desk: FaultDesk, world: World): FaultDesk {
  const { add, clear } = desk;
  const silence = ({ node, ms }: Fault) =>
    world.write(() => {
      const since = world.now() - (ms ?? world.scaled(LONG_SILENCE));
      for (const name of node === undefined ? world.all('node').keys() : [node]) world.silence(name, since);
    });
  return Object.assign(desk, {
    add: (...faults: Parameters<typeof add>) => {
      if (faults.some((fault) => fault.action === 'quick-restart')) world.setFlag('quick-restart', '1');
      for (const fault of faults.filter(({ action }) => action === 'silent-status-daemon')) silence(fault);
      add(...faults);
    },
    clear: () => {
      world.write(() => {
        world.setFlag('quick-restart', '0');
        for (const node of [...world.all('silence').keys()]) world.silence(node, undefined);
      });
      clear();
    },
    lock: (vmid: number, name?: string) =>
      world.write(() => {
        const guest = world.guest(vmid);
        if (!guest) throw new Error(`no guest ${vmid}`);
        const { lock: _lock, ...config } = guest.config;
        world.saveGuest({ ...guest, config: name === undefined ? config : { ...config, lock: name } }, world.now());
      }),
  });
}
