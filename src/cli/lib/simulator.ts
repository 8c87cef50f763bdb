import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { ConnectionSettings } from '../../core/settings/settings.ts';
import type { Simulator, SimulatorOptions } from '../../simulator/index.ts';

export type { Simulator };

/** The one place that loads the embedded Proxmox VE; every process serves its own port, all of them share the state in the data folder. */
export async function startCluster(
  dataDir: string,
  { port = 0, certificate = 'demo' }: Pick<SimulatorOptions, 'port' | 'certificate'> = {},
): Promise<Simulator> {
  try {
    const { startSimulator } = await import('../../simulator/index.ts');
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return await startSimulator({ file: join(dataDir, 'cluster.sqlite'), port, certificate });
  } catch (cause) {
    if (cause instanceof ProxmoxMcpError) throw cause;
    const { syscall, message } = cause as NodeJS.ErrnoException;
    if (syscall === 'listen')
      fail('invalid_arguments', `Port ${port} cannot be served on: ${message}.`, {
        cause,
        hint: 'Choose another port. 0 takes any free one.',
      });
    fail('store_unavailable', `The embedded cluster in ${dataDir} cannot be opened: ${message}.`, { cause });
  }
}

/**
 * Several, each with its state in a folder of its own and with its own authority, as genuine clusters have.
 * @param port of the first; each of the others has the one after. Default 0: any free ones
 */
export async function startClusters<T extends { name: string }>(
  dataDir: string,
  clusters: readonly T[],
  port = 0,
): Promise<{ cluster: T; simulator: Simulator }[]> {
  const start = async (cluster: T, index: number) => {
    const certificate = index === 0 ? 'demo' : 'second';
    return { cluster, simulator: await startCluster(join(dataDir, cluster.name), { certificate, port: port === 0 ? 0 : port + index }) };
  };
  const outcomes = await Promise.allSettled(clusters.map(start));
  const started = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = outcomes.find((one) => one.status === 'rejected');
  if (!failed) return started;
  await Promise.all(started.map(({ simulator }) => simulator.close()));
  throw failed.reason;
}

/** How to reach it: its certificate is known, so no trust decision is needed. */
export function connectionTo(simulator: Simulator): ConnectionSettings {
  return {
    endpoints: [{ host: '127.0.0.1', port: simulator.port }],
    tokenId: simulator.token.id,
    tokenSecret: simulator.token.secret,
    verifySsl: false,
    fingerprints: [simulator.fingerprint],
  };
}
