import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { lazy } from '../../src/core/lazy.ts';
import type { ConnectionSettings } from '../../src/core/settings/settings.ts';
import { createProxmox, type ProxmoxClient, type ProxmoxOptions } from '../../src/proxmox/client.ts';
import { memoryTrustStore } from '../../src/proxmox/trust/store.ts';
import { validateRequest } from '../../src/simulator/contract.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/index.ts';

type Request = Parameters<NonNullable<SimulatorOptions['onRequest']>>[0];

export interface TestCluster {
  simulator: Simulator;
  /** Its state, which other processes may change. */
  file: string;
  /** With the certificate named, so that no request is spent on pinning; as the token of full rights unless another is given. */
  connection(token?: { id: string; secret: string }): ConnectionSettings;
  /** A client in real time, closed with the cluster. */
  open(options?: { token?: { id: string; secret: string } } & Partial<ProxmoxOptions>): ProxmoxClient;
  /** Every request since the start, in order. */
  requests: Request[];
  /** Those that change something. */
  mutations(): Request[];
  close(): Promise<void>;
}

/** The state file of a new cluster, made once in a process: a copy of it saves half the time that a start takes. */
const seeded = lazy(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'seeded-'));
  const file = join(folder, 'state.db');
  await (await startSimulator({ file })).close();
  const bytes = readFileSync(file);
  rmSync(folder, { recursive: true });
  return bytes;
});

/** Starts an embedded cluster of its own: state in a temporary file, tasks and delays at a hundredth of their time. */
export async function startCluster(options: Partial<SimulatorOptions> = {}): Promise<TestCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'pmcp-simulator-'));
  const { file = join(folder, 'state.db') } = options;
  // What is seeded lies before the present; with a clock of the test's own, that is another present.
  if (['file', 'seed', 'now'].every((name) => !(name in options))) writeFileSync(file, await seeded.get());
  const requests: Request[] = [];
  const simulator = await startSimulator({
    timeScale: 0.01,
    ...options,
    file,
    onRequest: (request) => {
      requests.push(request);
      options.onRequest?.(request);
    },
  });
  const clients: ProxmoxClient[] = [];
  const connection: TestCluster['connection'] = (token = simulator.token) => ({
    endpoints: [{ host: '127.0.0.1', port: simulator.port }],
    tokenId: token.id,
    tokenSecret: token.secret,
    verifySsl: false,
    fingerprints: [simulator.fingerprint],
  });
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  return {
    simulator,
    file,
    connection,
    requests,
    open({ token, ...more } = {}) {
      const defaults = { cluster: 'simulator', trust: memoryTrustStore(), clock: systemClock, log: silent };
      const client = createProxmox({ connection: connection(token), ...defaults, ...more });
      clients.push(client);
      return client;
    },
    mutations: () => requests.filter(({ method }) => method !== 'GET'),
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await simulator.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Requests that Proxmox VE 9.2 would not accept as written, with its reasons. */
export function invalidRequests(requests: readonly Pick<Request, 'method' | 'path' | 'params'>[]): object[] {
  return requests.flatMap((request) => {
    const errors = validateRequest(request.method, request.path, request.params);
    return Object.keys(errors).length === 0 ? [] : [{ ...request, errors }];
  });
}

/**
 * A fresh cluster for each test of the file or block. After each test every request that was sent is checked against the contract of
 * Proxmox VE 9.2: a request that the genuine API would refuse fails the test that sent it.
 */
export function withSimulator(options: Partial<SimulatorOptions> = {}): () => TestCluster {
  let cluster: TestCluster;
  beforeEach(async () => {
    cluster = await startCluster(options);
  });
  afterEach(async () => {
    await cluster.close();
    expect(invalidRequests(cluster.requests)).toEqual([]);
  });
  return () => cluster;
}
