// The embedded cluster inside this process, so that its requests can be counted, and a client of it without any product in between.
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { load } from '../scripts/bundled.mjs';

export const loadSimulator = (folder) => load('src/simulator/index.ts', folder);

/** Starts a cluster and answers how the product reaches it, a raw client, and what was requested so far. */
export async function openCluster({ startSimulator }, folder, name, seed) {
  const requests = [];
  const simulator = await startSimulator({
    file: join(folder, `${name}.sqlite`),
    ...(seed === undefined ? {} : { seed }),
    timeScale: 0.05,
    onRequest: ({ method, path }) => requests.push(`${method} ${path}`),
  });
  const { token, port, url, ca } = simulator;
  const dispatcher = new Agent({ connect: { ca } });
  const headers = { authorization: `PVEAPIToken=${token.id}=${token.secret}` };
  return {
    requests,
    faults: simulator.faults,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      PROXMOX_HOST: '127.0.0.1',
      PROXMOX_PORT: String(port),
      PROXMOX_TOKEN_ID: token.id,
      PROXMOX_TOKEN_SECRET: token.secret,
      PROXMOX_FINGERPRINT: simulator.fingerprint,
      PROXMOX_DATA_DIR: join(folder, `${name}-data`),
      PROXMOX_MAX_VMS: '100000',
      PROXMOX_LOG_LEVEL: 'error',
    },
    async get(path) {
      const { body } = await request(`${url}/api2/json${path}`, { dispatcher, headers });
      return (await body.json()).data;
    },
    async close() {
      await dispatcher.close();
      await simulator.close();
    },
  };
}
