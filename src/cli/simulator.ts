import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionSettings } from '../core/settings.ts';
import type { Simulator } from '../simulator/index.ts';

/** The one place that loads the embedded Proxmox VE; every process serves its own port, all of them share the state in the data folder. */
export async function startCluster(dataDir: string, port = 0): Promise<Simulator> {
  const { startSimulator } = await import('../simulator/index.ts');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  return startSimulator({ file: join(dataDir, 'cluster.sqlite'), port });
}

/** How to reach it: its certificate is known, so nothing has to be trusted. */
export function connectionTo(simulator: Simulator): ConnectionSettings {
  return {
    endpoints: [{ host: '127.0.0.1', port: simulator.port }],
    tokenId: simulator.token.id,
    tokenSecret: simulator.token.secret,
    verifySsl: false,
    fingerprints: [simulator.fingerprint],
  };
}
