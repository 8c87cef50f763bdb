import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { ConnectionSettings, NamedCluster, Settings } from '../../core/settings/settings.ts';
import type { Simulator } from '../../simulator/index.ts';

// The one place that loads the embedded Proxmox VE. Every process serves its own port; all of them share the state in the data folder.

export interface Served {
  /** Undefined where it is the only one, which has no name. */
  cluster: NamedCluster | undefined;
  simulator: Simulator;
}

/**
 * The embedded clusters of these settings: one, or several, each with its own folder and authority, as genuine clusters have.
 * @param port of the first; each of the others has the one after. Default 0: any free ones
 */
export async function startClusters({ dataDir, clusters }: Settings, port = 0): Promise<Served[]> {
  const start = async (cluster: NamedCluster | undefined, index: number) => {
    const folder = cluster ? join(dataDir, cluster.name) : dataDir;
    return { cluster, simulator: await startCluster(folder, port === 0 ? 0 : port + index, index === 0 ? 'demo' : 'second') };
  };
  const outcomes = await Promise.allSettled((clusters ?? [undefined]).map(start));
  const started = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = outcomes.find((one) => one.status === 'rejected');
  if (!failed) return started;
  await closeClusters(started);
  throw failed.reason;
}

export async function closeClusters(served: readonly Served[]): Promise<void> {
  await Promise.all(served.map(({ simulator }) => simulator.close()));
}

async function startCluster(folder: string, port: number, certificate: 'demo' | 'second'): Promise<Simulator> {
  try {
    const { startSimulator } = await import('../../simulator/index.ts');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return await startSimulator({ file: join(folder, 'cluster.sqlite'), port, certificate });
  } catch (cause) {
    if (cause instanceof ProxmoxMcpError) throw cause;
    const { syscall, message } = cause as NodeJS.ErrnoException;
    if (syscall === 'listen')
      fail('invalid_arguments', `Port ${port} cannot be served on: ${message}.`, {
        cause,
        hint: 'Choose another port. 0 takes any free one.',
      });
    fail('store_unavailable', `The embedded cluster in ${folder} cannot be opened: ${message}.`, { cause });
  }
}

/** How to reach it: its certificate is known, so no trust decision is needed. */
export function connectionTo({ port, token, fingerprint }: Simulator): ConnectionSettings {
  return {
    endpoints: [{ host: '127.0.0.1', port }],
    tokenId: token.id,
    tokenSecret: token.secret,
    verifySsl: false,
    fingerprints: [fingerprint],
  };
}
